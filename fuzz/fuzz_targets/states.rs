#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex};
use wgloss_fuzz::states::{States, states};
use wgloss_fuzz::{bounded, device};

static STATES: LazyLock<Mutex<States>> =
    LazyLock::new(|| Mutex::new(states(&device()).expect("states")));

fuzz_target!(|bytes: &[u8]| {
    let states = &mut *STATES.lock().expect("nobody panics and goes on");
    states.take(bytes, |work| bounded(16 << 20, work));
});
