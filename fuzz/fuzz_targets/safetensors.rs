#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wgloss_fuzz::file(".safetensors", bytes));
