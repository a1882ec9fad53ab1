//! Functions of a text on a device, for tests: each at its own points.

use super::Gpu;
use super::bind::buffer;
use super::collect::read;
use super::kernels::{Access, Kernels, Span, Step};
use crate::error::Result;
use std::fmt::Write;

/// Numbers of a point.
pub(crate) const ARGUMENTS: usize = 4;

/// Functions in one shader, at as many points each.
#[derive(Debug, Clone)]
pub(crate) struct Functions {
    /// Declares the functions.
    pub text: String,
    /// For each function what it gives at the point `p`, a vec4: texts of f32 where `r` is the result of the first text.
    pub calls: Vec<(String, Vec<String>)>,
    /// For each function its points.
    pub points: Vec<Vec<[f32; ARGUMENTS]>>,
}

impl Gpu {
    /// The numbers of every function at every one of its points.
    pub(crate) async fn functions(&self, all: &Functions) -> Result<Vec<Vec<Vec<f32>>>> {
        let lanes = all.points.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let width = all
            .calls
            .iter()
            .map(|c| c.1.len())
            .max()
            .unwrap_or(0)
            .max(1);
        let mut text = format!(
            "{}\n@group(0) @binding(0) var<uniform> nothing: vec4<u32>;\n\
             @group(0) @binding(1) var<storage, read> points: array<vec4<f32>>;\n\
             @group(0) @binding(2) var<storage, read_write> found: array<f32>;\n\
             @compute @workgroup_size({lanes})\n\
             fn evaluate(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{\n\
             let at = group.x * {lanes}u + lane;\n\
             let p = points[at];\n\
             let out = at * {width}u + nothing.x;\n\
             switch group.x {{\n",
            all.text
        );
        for (k, (call, numbers)) in all.calls.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "case {k}u: {{ let r = {call};");
            for (i, number) in numbers.iter().enumerate() {
                let _ = writeln!(text, "found[out + {i}u] = {number};");
            }
            text += "}\n";
        }
        text += "default: {}\n}\n}\n";
        let mut points = Vec::new();
        for of_one in &all.points {
            let least = [0.0; ARGUMENTS];
            points.extend(
                of_one
                    .iter()
                    .copied()
                    .chain(std::iter::repeat(least))
                    .take(lanes),
            );
        }
        let bytes: &[u8] = bytemuck::cast_slice(&points);
        let size = (all.calls.len() * lanes * width * 4) as u64;
        let points = self.upload(bytes).await?;
        let made = self.written(|writes| {
            let buffers = [Access::Read, Access::Write];
            let kernels = Kernels::new(self, "wgloss functions", text, &buffers, ["evaluate"]);
            let nothing = writes.parameters(self, &[0; 16]);
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
            let found = buffer(&self.device, "wgloss functions", size, usage);
            let spans = [Span::whole(&points), Span::whole(&found)];
            let group = kernels.bind(self, Span::whole(&nothing), &spans);
            (kernels, group, found)
        });
        let (kernels, group, found) = made.await?;
        let [pipeline] = kernels.pipelines;
        let grid = [all.calls.len() as u32, 1];
        let steps = [Step {
            pipeline,
            group,
            grid,
        }];
        let words = read(self, &steps, &[(&found, size)]).await?;
        let numbers: Vec<f32> = words.into_iter().map(f32::from_bits).collect();
        let of = |k: usize, lane: usize| {
            let start = (k * lanes + lane) * width;
            let numbers = numbers.iter().skip(start).take(all.calls[k].1.len());
            numbers.copied().collect()
        };
        let each = all.points.iter().enumerate();
        let all = each.map(|(k, points)| (0..points.len()).map(|lane| of(k, lane)).collect());
        Ok(all.collect())
    }
}
