//! What is written to buffers from the host.

use super::Gpu;
use super::bind::buffer;
use std::borrow::Cow;

/// Bytes that are to be in buffers before anything that is submitted from now on.
///
/// They go through a buffer of this crate that is made to be mapped, and a copy on the device. Where wgpu 30 can have no memory
/// for the staging of its own, of `Queue::write_buffer` and of buffers that are mapped when they are made, it gives the whole
/// device up, and a guest would have lost its host's. A buffer like these it merely refuses.
#[derive(Debug, Default)]
pub(crate) struct Writes<'a> {
    /// Where to, from which byte on, and what: of a last word that is not whole the rest is 0.
    parts: Vec<(wgpu::Buffer, u64, Cow<'a, [u8]>)>,
}

/// Bytes on their way: in a buffer, from a place on, to another buffer.
#[derive(Debug)]
pub(super) struct Staged(Vec<(wgpu::Buffer, u64, wgpu::Buffer, u64, u64)>);

/// The bytes of whole words.
fn whole(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT)
}

impl<'a> Writes<'a> {
    /// Writes into a buffer, which can be copied to, from a multiple of 4 on.
    pub fn put(&mut self, to: &wgpu::Buffer, at: u64, bytes: impl Into<Cow<'a, [u8]>>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.parts.push((to.clone(), at, bytes));
        }
    }

    /// Parameters, for one dispatch or several: whole rows of 16 bytes. To be called inside [`Gpu::scoped`].
    pub fn parameters(&mut self, gpu: &Gpu, bytes: &[u8]) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let size = bytes.len().next_multiple_of(16) as u64;
        let made = buffer(&gpu.device, "wgloss parameters", size, usage);
        self.put(&made, 0, bytes.to_vec());
        made
    }

    /// Puts all bytes where the device finds them, or nothing where there is no memory for that. To be called inside
    /// [`Gpu::scoped`], which has the reason then.
    pub(super) fn stage(&self, gpu: &Gpu) -> Staged {
        let mut staged = Vec::new();
        let mut rest = self.parts.as_slice();
        while !rest.is_empty() {
            // As many as fit one buffer: a single one always does, since its target is one.
            let mut size = 0;
            let fits = |(_, _, bytes): &&(_, _, Cow<'_, [u8]>)| {
                size += whole(bytes);
                size <= gpu.limits.buffer
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            rest = later;
            let size = now.iter().map(|(_, _, bytes)| whole(bytes)).sum();
            let from = gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgloss upload"),
                size,
                usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            });
            let Ok(mut view) = from.slice(..).get_mapped_range_mut() else {
                return Staged(Vec::new());
            };
            let mut start = 0;
            for (to, at, bytes) in now {
                let end = start + bytes.len();
                view.slice(start..end).copy_from_slice(bytes);
                staged.push((from.clone(), start as u64, to.clone(), *at, whole(bytes)));
                start += whole(bytes) as usize;
            }
            drop(view);
            from.unmap();
        }
        Staged(staged)
    }

    /// Has everything written. To be called inside [`Gpu::scoped`].
    pub(super) fn submit(self, gpu: &Gpu) {
        let staged = self.stage(gpu);
        if staged.0.is_empty() {
            return;
        }
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        staged.record(&mut encoder);
        gpu.queue.submit([encoder.finish()]);
    }
}

impl Staged {
    /// Records the writing.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        for (from, start, to, at, size) in &self.0 {
            encoder.copy_buffer_to_buffer(from, *start, to, *at, *size);
        }
    }
}
