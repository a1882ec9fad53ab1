//! The command line: arguments, files, printing. It only calls the public API.

pub mod files;
