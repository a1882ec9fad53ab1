//! The command line of wgloss.

fn main() -> std::process::ExitCode {
    wgloss::cli::main()
}
