//! The command line of wgloss.

fn main() {}
