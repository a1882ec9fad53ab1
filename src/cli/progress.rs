//! What is shown on standard error while work goes on, if there is anybody to see it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// A bar for work whose end is known; hidden unless standard error is a terminal.
pub fn bar() -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.set_style(style(
        "{wide_bar} {pos}/{len} {msg} {elapsed_precise}, {eta} left",
    ));
    bar
}

/// A sign of life that shows itself after a second and goes away when dropped.
#[derive(Debug)]
pub struct Spinner {
    /// The thread ends when this is dropped.
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    /// Starts one that says `message`.
    pub fn start(message: &'static str) -> Self {
        let none = Spinner {
            done: None,
            thread: None,
        };
        if !io::stderr().is_terminal() {
            return none;
        }
        let (done, wait) = mpsc::channel();
        let spin = move || {
            let second = Duration::from_secs(1);
            if let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(second) {
                let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                    .with_elapsed(second);
                spinner.set_style(style("{spinner} {msg} {elapsed_precise}"));
                spinner.set_message(message);
                spinner.enable_steady_tick(Duration::from_millis(100));
                // Fails when the other end is dropped, which is what this waits for.
                let _ = wait.recv();
                spinner.finish_and_clear();
            }
        };
        match Builder::new().spawn(spin) {
            Ok(thread) => Spinner {
                done: Some(done),
                thread: Some(thread),
            },
            // It is only an ornament.
            Err(_) => none,
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.done = None;
        if let Some(thread) = self.thread.take() {
            // So that nothing is drawn over what is printed next.
            let _ = thread.join();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
