#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex};
use wgloss::loss::{Loss, TargetKind};
use wgloss::{DType, Gpu, LabelType, Layout, TargetLayout};
use wgloss_fuzz::{bounded, check, device, taken};

/// A device, and how many losses it has seen: it keeps their kernels.
static DEVICE: LazyLock<Mutex<(Gpu, u32)>> = LazyLock::new(|| Mutex::new((device(), 0)));

fuzz_target!(|text: &str| {
    let Some(loss) = bounded(check::MOST_OF_A_LOSS, || check::loss(text)) else {
        return;
    };
    // The kernels of what passes are valid.
    let (gpu, seen) = &mut *DEVICE.lock().expect("nobody panics and goes on");
    *seen += 1;
    if seen.is_multiple_of(256) {
        *gpu = device();
    }
    let layout = Layout {
        target: match loss.info().target {
            TargetKind::None => TargetLayout::None,
            TargetKind::Values => TargetLayout::Values(DType::F16),
            TargetKind::PerRow => TargetLayout::PerRow(DType::F32),
            TargetKind::Labels | TargetKind::LabelsOrValues => TargetLayout::Labels(LabelType::I64),
        },
        ..Layout::new([2, 3])
    };
    bounded(256 << 20, || taken(gpu.plan(&loss, &layout)));
});
