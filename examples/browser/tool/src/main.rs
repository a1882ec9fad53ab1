//! Makes the page of wgloss, serves it, and tries it in a browser.

mod browser;
mod server;
mod trial;

use anyhow::{Context, Result, bail};
use server::Server;
use std::path::Path;
use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "wgloss-browser-tool bind WASM FOLDER    makes wgloss.js and wgloss_bg.wasm
wgloss-browser-tool serve FOLDER [PORT] serves a folder on this machine, at port 8000 unless told
wgloss-browser-tool try FOLDER PICTURES EXTENT [NAMES]
                                        goes through the page in a headless Chromium, of which it leaves pictures, and verifies everything; or
                                        only what the list names: small, quick or full";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["bind", wasm, folder] => bind(Path::new(wasm), Path::new(folder)),
        ["serve", folder] => serve(folder, 8000),
        ["serve", folder, port] => serve(folder, port.parse().context(port.to_string())?),
        ["try", folder, pictures, extent] => {
            trial::run(Path::new(folder), Path::new(pictures), extent, None)
        }
        ["try", folder, pictures, extent, names] => {
            trial::run(Path::new(folder), Path::new(pictures), extent, Some(names))
        }
        _ => bail!("expected one of\n{USAGE}"),
    }
}

/// What the program wasm-bindgen does with `--target web`.
fn bind(wasm: &Path, folder: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name("wgloss");
    bindgen.web(true)?.typescript(false);
    bindgen.omit_default_module_path(false);
    // A page has no use for the names of functions.
    bindgen
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(folder)
}

fn serve(folder: &str, port: u16) -> Result<()> {
    let server = Server::new(Path::new(folder), "/", port)?;
    println!("http://{}/", server.address()?);
    server.run();
    Ok(())
}
