//! The command line: arguments, files, printing. It only calls the public API.

mod adapters;
mod args;
mod arrays;
mod bench;
mod combined;
mod device;
mod error;
pub mod files;
mod list;
mod loss;
pub mod metrics;
mod mistakes;
mod options;
mod plot;
mod print;
mod problem;
mod progress;
mod verify;

pub use bench::table as bench_table;
pub use list::{markdown_table, metrics_table};

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

/// Runs the command that the process was started with, and returns what it exits with: 0 good; 1 a check
/// failed; 2 wrong usage or bad input; 3 no device, or the device was lost.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Also --help and --version. There is nobody to tell when not even this can be written.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(error::USAGE));
        }
    };
    let done = match &cli.command {
        Command::List(args) => list::run(args),
        Command::Adapters(args) => adapters::run(args),
        Command::Loss(args) => loss::run(args),
        Command::Metrics(args) => metrics::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Plot(args) => plot::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            print::note(&format!("error: {e}"));
            ExitCode::from(e.code())
        }
    }
}
