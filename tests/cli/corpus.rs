//! What a fuzzer has found worth keeping goes through the same checks again.

#[path = "../../fuzz/src/check.rs"]
pub mod check;
#[path = "../../src/device.rs"]
mod device;
#[path = "../../fuzz/src/states.rs"]
mod states;

use std::fs;
use std::path::Path;
use wgloss::Gpu;

/// All inputs that are kept for a target, in an order.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("fuzz/corpus").join(target)).expect("a corpus");
    let mut paths: Vec<_> = entries.map(|e| e.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= 30, "{} inputs for {target}", paths.len());
    paths
        .iter()
        .map(|p| fs::read(p).expect("an input"))
        .collect()
}

fn arrays(ending: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    for bytes in kept(ending.trim_start_matches('.')) {
        let work = || check::array(dir.path(), ending, &bytes);
        let held = allocation_counter::measure(work).bytes_max;
        let most = check::most(ending, bytes.len()) as u64;
        assert!(
            held <= most,
            "{held} bytes of memory, where {most} are enough"
        );
    }
}

#[test]
fn arrays_of_numpy() {
    arrays(".npy");
}

#[test]
fn archives_of_numpy() {
    arrays(".npz");
}

#[test]
fn tensors() {
    arrays(".safetensors");
}

#[test]
fn saved_states() {
    let Some(gpu) = device::gpu() else { return };
    let mut states = states::states(&gpu).expect("states");
    let mut kinds = std::collections::BTreeSet::new();
    for bytes in kept("states") {
        states.take(&bytes, |work| {
            work();
            kinds.insert(bytes[0] % 9);
        });
    }
    assert_eq!(kinds.len(), 9, "a state of every kind");
}

#[test]
fn losses_in_wgsl() {
    let mut losses = 0;
    for bytes in kept("wgsl") {
        if let Ok(text) = std::str::from_utf8(&bytes) {
            // Of this thread, which evaluates; another one reads the text.
            let held = allocation_counter::measure(|| {
                losses += usize::from(check::loss(text).is_some());
            });
            assert!(held.bytes_max <= check::MOST_OF_A_LOSS as u64, "{held:?}");
        }
    }
    assert!(losses >= 10, "{losses} of them are losses");
}
