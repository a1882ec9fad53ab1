//! The device of tests, those inside of the crate and those outside.

use super::Gpu;
use std::io::Write;
use std::sync::OnceLock;

/// The device that the tests of one program share, so that a kernel is compiled once.
///
/// Without an adapter this panics with what to install: a test that needs a GPU must not pass without one.
/// Only `WGLOSS_SKIP_GPU=1` turns that into `None`, and says so past the capturing of test output.
pub fn gpu() -> Option<Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| {
        if std::env::var("WGLOSS_SKIP_GPU").is_ok_and(|v| v == "1") {
            notice("skipped: the tests that need a GPU, because WGLOSS_SKIP_GPU is 1");
            return None;
        }
        match Gpu::new() {
            Ok(gpu) => Some(gpu),
            Err(e) => panic!(
                "{e}. Install a Vulkan driver, for example Mesa's lavapipe \
                 (`apt-get install mesa-vulkan-drivers`); WGLOSS_SKIP_GPU=1 skips the tests that need one."
            ),
        }
    })
    .clone()
}

/// Prints a line that the test harness does not capture.
pub fn notice(line: &str) {
    // Nobody to tell where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}
