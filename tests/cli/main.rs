//! The command line, run as a program.

#![cfg(feature = "cli")]

mod arrays;
mod bench;
mod combined;
mod devices;
mod errors;
#[allow(dead_code, reason = "shared with other tests, which use other parts")]
#[path = "../files_support/mod.rs"]
mod files_support;
mod output;
mod plot;
