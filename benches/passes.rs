//! The passes that speed is judged by: time over a copy of the least bytes, interleaved in one run.
//!
//!     cargo bench --features cli
//!     cargo bench --features cli -- cross_entropy dice
//!
//! Arguments pick losses whose names contain one of them. `wgloss bench` measures every loss, and its `--help` says what the
//! figures are.

use std::time::Instant;
use wgloss::bench::{Bench, Case};
use wgloss::gpu::Adapter;
use wgloss::{DType, loss, wgpu};

const ROUNDS: usize = 12;

/// Loss, rows, columns, storage.
const PASSES: [(&str, usize, usize, DType); 12] = [
    ("mse", 4096, 4096, DType::F32),
    ("huber", 4096, 4096, DType::F32),
    ("bce_with_logits", 4096, 4096, DType::F32),
    ("binary_focal_with_logits", 4096, 4096, DType::F32),
    ("cross_entropy", 4096, 4096, DType::F32),
    ("cross_entropy", 512, 32_768, DType::F32),
    ("cross_entropy", 32, 131_072, DType::F32),
    ("cross_entropy", 65_536, 10, DType::F32),
    ("dice", 4096, 4096, DType::F32),
    ("cosine_similarity", 131_072, 128, DType::F32),
    ("triplet", 131_072, 128, DType::F32),
    ("cross_entropy", 4096, 4096, DType::Bf16),
];

/// On hardware besides: what fills a GPU.
const LARGE: [(&str, usize, usize, DType); 3] = [
    ("cross_entropy", 32_768, 4096, DType::Bf16),
    ("cross_entropy", 32_768, 32_768, DType::Bf16),
    ("cross_entropy", 8192, 131_072, DType::Bf16),
];

fn main() {
    // Cargo adds a flag.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let adapters = pollster::block_on(Adapter::all());
    let adapter = adapters.first().expect("a driver, for example lavapipe");
    let gpu =
        pollster::block_on(adapter.open_with(wgpu::Features::TIMESTAMP_QUERY)).expect("a device");
    let mut bench = Bench::new(&gpu, Some(ROUNDS)).expect("kernels that copy");
    let mut rows = Vec::new();
    let large: &[_] = if adapter.is_software() { &[] } else { &LARGE };
    for &(name, rows_of, cols, dtype) in PASSES.iter().chain(large) {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let start = Instant::now();
        let case = Case {
            info: loss::by_name(name).expect("a registered loss").info(),
            rows: rows_of,
            cols,
            dtype,
            gradient: true,
        };
        rows.push(bench.measure(&case).expect("a measurement"));
        eprintln!(
            "{name} {rows_of}x{cols} {dtype}: {:.1} s",
            start.elapsed().as_secs_f64()
        );
    }
    println!("{}\n{}", adapter.info.name, wgloss::cli::bench_table(&rows));
}
