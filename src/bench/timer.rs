//! How long a submission takes.

use crate::error::Result;
use crate::gpu::Gpu;
#[cfg(not(target_arch = "wasm32"))]
use cpu_time::ProcessTime;
use std::time::Duration;
#[cfg(not(target_arch = "wasm32"))]
pub(super) use std::time::Instant;
#[cfg(target_arch = "wasm32")]
pub(super) use web_time::Instant;

/// A browser tells no CPU time.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Copy)]
struct ProcessTime;

#[cfg(target_arch = "wasm32")]
impl ProcessTime {
    fn try_now() -> Option<Self> {
        None
    }

    fn try_elapsed(&self) -> Option<Duration> {
        None
    }
}

/// A submission shorter than this says more of submissions than of kernels.
const LEAST: Duration = Duration::from_millis(10);

/// The most that is recorded into one submission.
const MOST: u32 = 1024;

/// What measures a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The device, by timestamp queries.
    Timestamps,
    /// The host, around submitting and waiting.
    Wall,
}

impl Clock {
    /// `timestamps` or `wall`.
    pub const fn name(self) -> &'static str {
        match self {
            Clock::Timestamps => "timestamps",
            Clock::Wall => "wall",
        }
    }
}

/// What is recorded and measured.
pub(super) type Record<'a> = &'a dyn Fn(&mut wgpu::CommandEncoder);

/// The milliseconds that one of the recordings of a submission took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lap {
    pub ms: f64,
    /// NaN where the system does not tell.
    pub cpu_ms: f64,
    /// What the whole submission took.
    pub wall: Duration,
}

#[derive(Debug)]
pub(super) struct Stopwatch {
    gpu: Gpu,
    stamps: Option<Stamps>,
}

/// Two timestamps, before and after.
#[derive(Debug)]
struct Stamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readable: wgpu::Buffer,
}

impl Stopwatch {
    /// One that reads timestamps where the device has them and is no software.
    pub async fn new(gpu: &Gpu) -> Result<Self> {
        let mut watch = Stopwatch {
            gpu: gpu.clone(),
            stamps: None,
        };
        let features = gpu.device().features();
        if features.contains(wgpu::Features::TIMESTAMP_QUERY) && !watch.software() {
            watch.stamp().await?;
        }
        Ok(watch)
    }

    /// Reads timestamps from now on, unless they turn out not to count.
    async fn stamp(&mut self) -> Result<()> {
        let device = self.gpu.device();
        let made = self.gpu.scoped(|| {
            let buffer = |usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("wgloss timestamps"),
                    size: 16,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let set = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("wgloss timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            let stamps = Stamps {
                set,
                resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
                readable: buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
            };
            let work = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgloss probe"),
                size: 1 << 24,
                usage: wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            (stamps, work)
        });
        let (stamps, work) = made.await?;
        self.stamps = Some(stamps);
        let clear: Record<'_> = &|encoder| encoder.clear_buffer(&work, 0, None);
        let lap = self.time(1, clear).await?;
        if !(lap.ms > 0.0 && lap.ms <= 1e3 * lap.wall.as_secs_f64()) {
            self.stamps = None;
        }
        Ok(())
    }

    pub fn clock(&self) -> Clock {
        match self.stamps {
            Some(_) => Clock::Timestamps,
            None => Clock::Wall,
        }
    }

    /// Whether the device computes on the CPU.
    pub fn software(&self) -> bool {
        self.gpu.adapter_info().device_type == wgpu::DeviceType::Cpu
    }

    /// The time that a ratio is made of.
    pub fn figure(&self, lap: &Lap) -> f64 {
        match self.software() {
            true => lap.cpu_ms,
            false => lap.ms,
        }
    }

    /// Submits what `record` records, as often as `encodes` says, and waits for it.
    pub async fn time(&self, encodes: u32, record: Record<'_>) -> Result<Lap> {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        let recorded = self.gpu.scoped(|| {
            let mut encoder = device.create_command_encoder(&Default::default());
            if let Some(stamps) = &self.stamps {
                stamps.mark(&mut encoder, 0);
            }
            for _ in 0..encodes {
                record(&mut encoder);
            }
            if let Some(stamps) = &self.stamps {
                stamps.mark(&mut encoder, 1);
                stamps.resolve(&mut encoder);
            }
            encoder.finish()
        });
        let commands = recorded.await?;
        let (wall, cpu) = (Instant::now(), ProcessTime::try_now());
        let submitted = self.gpu.scoped(|| {
            queue.submit([commands]);
        });
        self.gpu.finished().await?;
        let cpu = cpu.and_then(|start| start.try_elapsed());
        let wall = wall.elapsed();
        submitted.await?;
        let each = |time: Duration| 1e3 * time.as_secs_f64() / f64::from(encodes.max(1));
        Ok(Lap {
            ms: match &self.stamps {
                Some(stamps) => each(stamps.read(&self.gpu).await?),
                None => each(wall),
            },
            cpu_ms: cpu.map_or(f64::NAN, each),
            wall,
        })
    }

    /// How often to record so that a submission is long enough. Has recorded it before it says so.
    pub async fn encodes(&self, record: Record<'_>) -> Result<u32> {
        // The first one touches memory for the first time.
        self.time(1, record).await?;
        let mut encodes = 1;
        loop {
            let wall = self.time(encodes, record).await?.wall;
            if wall >= LEAST || encodes >= MOST {
                return Ok(encodes);
            }
            let factor = LEAST.as_secs_f64() / wall.as_secs_f64().max(1e-5);
            encodes = encodes.saturating_mul(factor.ceil() as u32).min(MOST);
        }
    }
}

impl Stamps {
    /// Writes a timestamp by way of a pass that does nothing else, which needs no further feature.
    fn mark(&self, encoder: &mut wgpu::CommandEncoder, index: u32) {
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("wgloss timestamp"),
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &self.set,
                beginning_of_pass_write_index: None,
                end_of_pass_write_index: Some(index),
            }),
        });
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readable, 0, Some(16));
    }

    /// What lies between the two timestamps of the last submission.
    async fn read(&self, gpu: &Gpu) -> Result<Duration> {
        let bytes = gpu.read(&self.readable).await?;
        let stamps: Vec<u64> = bytes
            .chunks_exact(8)
            .filter_map(|b| Some(u64::from_le_bytes(b.try_into().ok()?)))
            .collect();
        let ticks = match stamps.as_slice() {
            [before, after] => after.saturating_sub(*before),
            _ => 0,
        };
        let nanoseconds = ticks as f64 * f64::from(gpu.queue().get_timestamp_period());
        Ok(Duration::from_nanos(nanoseconds as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::gpu;
    use crate::gpu::Adapter;

    /// Software is not timed so, but it shows that the queries are right.
    #[test]
    fn timestamps() {
        if gpu().is_none() {
            return;
        }
        let adapters = pollster::block_on(Adapter::all());
        let wanted = wgpu::Features::TIMESTAMP_QUERY;
        let adapter = adapters.iter().find(|a| a.features().contains(wanted));
        let adapter = adapter.expect("a driver with timestamps, as Mesa's lavapipe");
        let gpu = pollster::block_on(adapter.open_with(wanted)).expect("a device");
        assert!(gpu.device().features().contains(wanted));
        let mut watch = Stopwatch { gpu, stamps: None };
        assert_eq!(watch.clock(), Clock::Wall);
        pollster::block_on(watch.stamp()).expect("timestamps");
        assert_eq!(watch.clock(), Clock::Timestamps);
        let work = watch.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 1 << 26,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let clear: Record<'_> = &|encoder| encoder.clear_buffer(&work, 0, None);
        pollster::block_on(watch.time(1, clear)).expect("a submission");
        // The figure is that of one recording, whatever there are in a submission.
        for encodes in [1, 4] {
            let lap = pollster::block_on(watch.time(encodes, clear)).expect("a submission");
            let wall = 1e3 * lap.wall.as_secs_f64() / f64::from(encodes);
            // Much of the wall time may be waiting for a busy machine.
            assert!(lap.ms > 0.02 * wall && lap.ms <= wall, "{lap:?}");
        }
    }
}
