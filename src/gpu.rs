//! Losses on a GPU: the device, plans that are made once and encoded many times, and reading back.

mod bind;
mod class_weight;
mod collect;
mod combined;
mod count;
mod edges;
mod figures;
#[cfg(test)]
pub(crate) mod functions;
mod host;
mod in_place;
mod kernels;
mod normalizer;
mod plan;
mod row_outputs;
mod scores;
pub(crate) mod source;
mod writes;

pub use bind::{Bound, Io, TermIo, View};
pub use class_weight::{ClassWeightBound, ClassWeightPlan};
pub use collect::SampleBatch;
pub use combined::{CombinedBound, CombinedIo, CombinedPlan, TermLayout};
pub use count::{
    BinaryState, BoundedScores, CarriedState, Confusion, ConfusionState, MetricBatch,
    MulticlassState, MultilabelState, Predictions, RegressionState,
};
pub use in_place::{InPlaceIo, InPlacePlan};
pub use normalizer::Normalizer;
pub use plan::{Plan, PlanKind, Tuning};
pub use row_outputs::{RowOutputsBound, RowOutputsIo, RowOutputsPlan};
pub use scores::ScoreState;

use crate::error::{Error, Result};
pub(crate) use bind::words_of;
use kernels::{Access, Cache, Kernels};
#[cfg(test)]
pub(crate) use plan::gate::instructions_of as instructions;
use source::Variant;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use writes::Writes;

/// A device that losses run on. Cheap to clone; clones share compiled pipelines.
#[derive(Clone)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    limits: Limits,
    /// The plan that is asked for.
    plan: Option<PlanKind>,
    /// What kernels are shaped for.
    tuning: Tuning,
    /// The invocations of every subgroup; 1 where subgroups are not used.
    subgroup: u32,
    compiled: Compiled,
    /// Bytes that were read back.
    read: Arc<AtomicU64>,
    /// What a device that was opened here has in common with its clones and with no other.
    opened: Option<Arc<()>>,
}

/// All kernels that were compiled.
#[derive(Clone, Default)]
struct Compiled {
    losses: Cache<Variant, Kernels<1>>,
    /// Those before and after an evaluation.
    edges: Cache<edges::Edge, Kernels<1>>,
    /// Those of outputs of rows.
    rows: Cache<row_outputs::RowKey, Kernels<1>>,
    scores: Cache<scores::ScoreKey, scores::ScoreKernels>,
    /// Those of what is counted.
    counts: Cache<count::CountKey, count::CountKernels>,
    /// Those that bound areas.
    bounds: Cache<Tuning, count::BoundKernels>,
}

impl fmt::Debug for Gpu {
    /// Which device it is, how plans are made for it, and how many kernels of losses were compiled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.adapter_info();
        let mut shown = f.debug_struct("Gpu");
        shown.field("name", &info.name);
        shown.field("backend", &info.backend);
        shown.field("limits", &self.limits);
        shown.field("plan", &self.plan);
        shown.field("tuning", &self.tuning);
        shown.field("subgroup", &self.subgroup);
        shown.field("kernels", &self.compiled());
        shown.finish_non_exhaustive()
    }
}

/// What of a device's limits the planner works with. Results do not depend on them, only the number of
/// dispatches does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one storage binding.
    pub binding: u64,
    /// Workgroups in one dimension of a dispatch.
    pub groups: u32,
    /// Bytes of one buffer.
    pub buffer: u64,
    /// What offsets of storage bindings must be a multiple of.
    pub alignment: u32,
    /// What offsets of uniform bindings must be a multiple of.
    pub uniform_alignment: u32,
}

/// Which device to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Select {
    /// The best GPU, else a software one.
    #[default]
    Auto,
    /// A GPU in hardware.
    Hardware,
    /// The first adapter whose name contains this, whatever the case of the letters.
    Name(String),
}

/// An adapter that a device can be opened on.
#[derive(Debug, Clone)]
pub struct Adapter {
    adapter: wgpu::Adapter,
    /// Name, backend, driver and kind.
    pub info: wgpu::AdapterInfo,
}

impl Adapter {
    /// Every adapter of the backends that the crate is built with, the best first: discrete, integrated,
    /// virtual and unknown GPUs, then software.
    pub async fn all() -> Vec<Adapter> {
        let mut wanted = wgpu::InstanceDescriptor::new_without_display_handle();
        // No debug layers: they would print in a process that is not ours.
        wanted.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(wanted);
        #[cfg(not(target_arch = "wasm32"))]
        let found = instance.enumerate_adapters(wgpu::Backends::all()).await;
        // A page is given one adapter, and enumeration finds none.
        #[cfg(target_arch = "wasm32")]
        let found: Vec<_> = instance
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .into_iter()
            .collect();
        let mut adapters: Vec<_> = found
            .into_iter()
            .filter(|a| {
                a.get_downlevel_capabilities()
                    .flags
                    .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
            })
            .map(|adapter| Adapter {
                info: adapter.get_info(),
                adapter,
            })
            .collect();
        adapters.sort_by_key(|a| match a.info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        });
        adapters
    }

    /// Whether it computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// The optional features of wgpu that it has.
    pub fn features(&self) -> wgpu::Features {
        self.adapter.features()
    }

    /// Its limits.
    pub fn limits(&self) -> wgpu::Limits {
        self.adapter.limits()
    }

    /// Opens a device with as large buffers as there can be, and otherwise WebGPU's default limits; with those of the
    /// [`optional_features`] that the adapter has.
    ///
    /// # Errors
    /// [`Error::Device`] where the adapter refuses.
    pub async fn open(&self) -> Result<Gpu> {
        self.open_with(wgpu::Features::empty()).await
    }

    /// As [`open`](Self::open), with those of `features` too that the adapter has. With
    /// [`TIMESTAMP_QUERY`](wgpu::Features::TIMESTAMP_QUERY) a benchmark is timed by the device.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_with(&self, features: wgpu::Features) -> Result<Gpu> {
        let (device, queue) = self
            .adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("wgloss"),
                required_features: (features | optional_features()) & self.adapter.features(),
                required_limits: required_limits(&self.adapter.limits()),
                ..Default::default()
            })
            .await
            .map_err(|e| Error::Device(one_line(&e)))?;
        Ok(Gpu {
            opened: Some(Arc::new(())),
            ..Gpu::from_device(device, queue)
        })
    }
}

/// The features that make losses faster on a device that has them. None is needed, and with or without them results
/// differ by rounding only.
///
/// [`SUBGROUP`](wgpu::Features::SUBGROUP): the parts of a row are put together by shuffles and not through workgroup
/// memory, where all subgroups of the device are of one size.
pub fn optional_features() -> wgpu::Features {
    wgpu::Features::SUBGROUP
}

/// The size of the subgroups of a device, if kernels may use them; else 1. That invocations of a subgroup are numbered one
/// after the other, and workgroups are whole subgroups, no specification promises; all drivers that are known do so, and
/// `verify` would see it. In a browser a shader has to ask for subgroups, in words that naga refuses.
fn subgroup_of(device: &wgpu::Device) -> u32 {
    let info = device.adapter_info();
    let one_size = info.subgroup_min_size == info.subgroup_max_size;
    let usable = device.features().contains(wgpu::Features::SUBGROUP)
        && info.backend != wgpu::Backend::BrowserWebGpu;
    match usable && one_size && info.subgroup_min_size.is_power_of_two() {
        true => info.subgroup_min_size,
        false => 1,
    }
}

/// The limits to ask for when making a device for this crate: WebGPU's defaults, with buffers and storage
/// bindings as large as `adapter` allows. Nothing more is needed, and no optional feature ([`optional_features`]).
pub fn required_limits(adapter: &wgpu::Limits) -> wgpu::Limits {
    let base = wgpu::Limits::default();
    wgpu::Limits {
        max_buffer_size: adapter.max_buffer_size,
        max_storage_buffer_binding_size: adapter.max_storage_buffer_binding_size,
        // Software adapters may lie below the defaults in what is not used here.
        ..base.or_worse_values_from(adapter)
    }
}

impl Gpu {
    /// Opens the best device there is.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new() -> Result<Self> {
        Self::open(&Select::Auto)
    }

    /// Opens the device that `select` names.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(select: &Select) -> Result<Self> {
        pollster::block_on(Self::open_async(select))
    }

    /// As `open`, without blocking.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::Device`].
    pub async fn open_async(select: &Select) -> Result<Self> {
        let adapters = Adapter::all().await;
        let found = adapters.iter().find(|a| match select {
            Select::Auto => true,
            Select::Hardware => !a.is_software(),
            Select::Name(name) => a.info.name.to_lowercase().contains(&name.to_lowercase()),
        });
        match found {
            Some(adapter) => adapter.open().await,
            None => {
                let names: Vec<_> = adapters.iter().map(|a| a.info.name.as_str()).collect();
                let wanted = match select {
                    Select::Auto => "expected any".to_string(),
                    Select::Hardware => "expected one in hardware".to_string(),
                    Select::Name(name) => {
                        format!("expected one named like `{}`", crate::error::one_line(name))
                    }
                };
                let found = match names.is_empty() {
                    true => "none".to_string(),
                    false => names.join(", "),
                };
                Err(Error::NoAdapter(format!("{wanted}, found {found}")))
            }
        }
    }

    /// Uses a device that belongs to somebody else. Nothing of it is changed: no handler is installed, it is
    /// never destroyed, and every object is created inside error scopes. [`required_limits`] says which limits
    /// help; WebGPU's defaults suffice.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let limits = device.limits();
        Gpu {
            limits: Limits {
                // 2 GiB - 1 is the most that wgpu binds anywhere, and sizes are whole words.
                binding: limits.max_storage_buffer_binding_size.min((1 << 31) - 4) & !3,
                groups: limits.max_compute_workgroups_per_dimension,
                buffer: limits.max_buffer_size,
                alignment: limits.min_storage_buffer_offset_alignment,
                uniform_alignment: limits.min_uniform_buffer_offset_alignment,
            },
            tuning: match device.adapter_info().device_type {
                wgpu::DeviceType::Cpu => Tuning::Narrow,
                _ => Tuning::Wide,
            },
            subgroup: subgroup_of(&device),
            device,
            queue,
            plan: None,
            compiled: Compiled::default(),
            read: Arc::default(),
            opened: None,
        }
    }

    /// Whether both are one device. wgpu tells devices by numbers that each instance gives out anew, and whatever is opened here has an
    /// instance of its own.
    pub(crate) fn is_same(&self, other: &Gpu) -> bool {
        let one = match (&self.opened, &other.opened) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            // The host may have made this of a device that was opened here.
            _ => true,
        };
        one && self.device == other.device
    }

    /// The bytes that this device and its clones have read back from buffers so far: to see that a training loop reads what it asked
    /// for and nothing else.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The adapter that the device is on.
    pub fn adapter_info(&self) -> wgpu::AdapterInfo {
        self.device.adapter_info()
    }

    /// The limits that plans keep to.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The same device with lower limits, so that small tensors take the ways of large ones.
    pub fn with_limits(&self, binding: u64, groups: u32) -> Gpu {
        let mut lowered = self.clone();
        lowered.limits.binding = self.limits.binding.min(binding) & !3;
        lowered.limits.groups = self.limits.groups.min(groups.max(1));
        lowered
    }

    /// The same device with every loss run by one plan, instead of the one that suits it best. A loss that it cannot
    /// carry ([`PlanKind::carries`]) is refused.
    pub fn with_plan(&self, plan: PlanKind) -> Gpu {
        Gpu {
            plan: Some(plan),
            ..self.clone()
        }
    }

    /// The same device with kernels shaped for another kind of device than it is.
    pub fn with_tuning(&self, tuning: Tuning) -> Gpu {
        Gpu {
            tuning,
            ..self.clone()
        }
    }

    /// The same device with compiled kernels of its own, which are dropped with it, its clones, and the plans and states they made: for whoever
    /// goes through more kernels than are to be kept.
    pub fn with_own_kernels(&self) -> Gpu {
        Gpu {
            compiled: Compiled::default(),
            ..self.clone()
        }
    }

    /// How many kernels of losses were compiled.
    pub(crate) fn compiled(&self) -> usize {
        self.compiled.losses.len()
    }

    /// The same device without the use of subgroups.
    pub fn without_subgroups(&self) -> Gpu {
        Gpu {
            subgroup: 1,
            ..self.clone()
        }
    }

    /// The invocations of every subgroup, if kernels use subgroups.
    pub fn subgroup(&self) -> Option<u32> {
        (self.subgroup > 1).then_some(self.subgroup)
    }

    /// What kernels are shaped for.
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Runs `create` inside error scopes and reports what they caught. The scopes are popped before anything
    /// is awaited, because they belong to the thread. What is made on a lost device is none, so that is an error too.
    pub(crate) fn scoped<T>(&self, create: impl FnOnce() -> T) -> impl Future<Output = Result<T>> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = create();
        let validation = validation.pop();
        let internal = internal.pop();
        let memory = memory.pop();
        let gpu = self.clone();
        async move {
            // Memory first: what could not be made is no valid part of anything else either.
            let caught = [memory.await, internal.await, validation.await];
            let caught = caught.into_iter().flatten().next();
            match (gpu.alive().await, caught) {
                (Ok(()), None) => Ok(made),
                (Ok(()), Some(wgpu::Error::OutOfMemory { source })) => {
                    Err(Error::OutOfMemory(one_line(&source)))
                }
                (Ok(()), Some(e)) => Err(Error::Device(one_line(&e))),
                (Err(lost), None) => Err(lost),
                (Err(_), Some(e)) => Err(Error::DeviceLost(one_line(&e))),
            }
        }
    }

    /// [`Error::DeviceLost`] on a device that is lost. wgpu says so to a handler only, which is the host's to set: whatever
    /// else is asked of such a device is passed over in silence. So it is asked for what cannot be, a buffer without usage,
    /// of which only a device that is there complains; nothing is allocated for that.
    pub(crate) fn alive(&self) -> impl Future<Output = Result<()>> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let none = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgloss probe"),
            size: 4,
            usage: wgpu::BufferUsages::empty(),
            mapped_at_creation: false,
        });
        let complaint = scope.pop();
        drop(none);
        async move {
            match complaint.await {
                Some(_) => Ok(()),
                None => Err(Error::DeviceLost("destroyed, or gone".into())),
            }
        }
    }

    /// As [`scoped`](Self::scoped), for what is not only made but also written to.
    pub(crate) fn written<'a, T>(
        &self,
        create: impl FnOnce(&mut Writes<'a>) -> T,
    ) -> impl Future<Output = Result<T>> {
        self.scoped(|| {
            let mut writes = Writes::default();
            let made = create(&mut writes);
            writes.submit(self);
            made
        })
    }

    /// The kernel for `variant`, compiled on first use.
    async fn kernel(&self, variant: &Variant) -> Result<Kernels<1>> {
        let compile = || self.compile(variant);
        self.compiled.losses.get(self, variant, compile).await
    }

    fn compile(&self, variant: &Variant) -> Kernels<1> {
        let names: Vec<_> = variant
            .terms
            .iter()
            .filter_map(|t| t.loss.map(|l| l.0.name))
            .collect();
        let label = format!("wgloss {} {:?}", names.join(" + "), variant.stage);
        let access = |role| match variant.writes(role) || variant.aliased {
            true => Access::Write,
            false => Access::Read,
        };
        let buffers: Vec<_> = variant.roles().into_iter().map(access).collect();
        let text = source::compose(variant);
        Kernels::new(self, &label, text, &buffers, [variant.entry_point()])
    }

    /// Runs a future of this module to its end. Where it waits for the device this thread does, instead of asking
    /// again and again.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        pollster::block_on(std::future::poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                // What went wrong the future finds out itself.
                let _ = self.poll(wgpu::PollType::wait_indefinitely());
                cx.waker().wake_by_ref();
            }
            polled
        }))
    }

    /// Polls the device. Never with a timeout: wgpu 30 panics when one runs out while another thread's poll finds the queue
    /// empty.
    ///
    /// A driver that loses the device while it is polled is a panic in wgpu 30 too, above its locks and when all of its own is
    /// in order. It ends here.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn poll(&self, how: wgpu::PollType) -> Result<()> {
        let poll = std::panic::AssertUnwindSafe(|| self.device.poll(how));
        match std::panic::catch_unwind(poll) {
            // A failed poll shows itself in what it was for.
            Ok(_) => Ok(()),
            Err(_) => Err(Error::DeviceLost("found out while polling".into())),
        }
    }

    /// Waits until all that was submitted is done: on a native device this thread does.
    #[cfg(feature = "bench")]
    pub(crate) async fn finished(&self) -> Result<()> {
        #[cfg(not(target_arch = "wasm32"))]
        return self.poll(wgpu::PollType::wait_indefinitely());
        #[cfg(target_arch = "wasm32")]
        {
            let (sender, receiver) = futures::channel::oneshot::channel();
            self.queue.on_submitted_work_done(move || {
                // The receiver is only gone when nobody waits any more.
                let _ = sender.send(());
            });
            let lost = |e| Error::DeviceLost(one_line(&e));
            receiver.await.map_err(lost)
        }
    }

    /// Waits until `buffer`, which must be mappable for reading, can be read, and copies it out. On a native
    /// device the future polls the device whenever it is polled itself, so that any executor will do.
    pub(crate) async fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<u8>> {
        let (sender, mut receiver) = futures::channel::oneshot::channel();
        self.read.fetch_add(buffer.size(), Ordering::Relaxed);
        // In scopes: on a lost device the buffer is none, and mapping it an error that would reach the host.
        let asked = self.scoped(|| {
            let range = buffer.slice(..);
            range.map_async(wgpu::MapMode::Read, move |result| {
                // The receiver is only gone when nobody waits any more.
                let _ = sender.send(result);
            });
        });
        asked.await?;
        let lost = |what: &dyn std::fmt::Display| Error::DeviceLost(one_line(what));
        let mapped = std::future::poll_fn(|cx| {
            use std::task::Poll;
            let done = |r: &mut futures::channel::oneshot::Receiver<_>| match r.try_recv() {
                Ok(Some(result)) => Poll::Ready(Ok(result)),
                Ok(None) => Poll::Pending,
                Err(cancelled) => Poll::Ready(Err(lost(&cancelled))),
            };
            if let ready @ Poll::Ready(_) = done(&mut receiver) {
                return ready;
            }
            #[cfg(not(target_arch = "wasm32"))]
            {
                // Nobody calls back any more where even this is refused.
                if let Err(lost) = self.poll(wgpu::PollType::Poll) {
                    return Poll::Ready(Err(lost));
                }
                cx.waker().wake_by_ref();
                done(&mut receiver)
            }
            #[cfg(target_arch = "wasm32")]
            {
                use std::future::Future;
                std::pin::Pin::new(&mut receiver)
                    .poll(cx)
                    .map(|r| r.map_err(|cancelled| lost(&cancelled)))
            }
        })
        .await;
        mapped?.map_err(|e| lost(&e))?;
        let bytes = match buffer.slice(..).get_mapped_range() {
            Ok(view) => view.to_vec(),
            Err(e) => {
                // A device that is lost takes its mappings along.
                self.alive().await?;
                return Err(Error::Device(one_line(&e)));
            }
        };
        self.scoped(|| buffer.unmap()).await?;
        Ok(bytes)
    }
}

/// The message of an error on one line: wgpu's have several.
pub(crate) fn one_line(e: &dyn std::fmt::Display) -> String {
    let text = e.to_string();
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    lines.join(" ")
}
