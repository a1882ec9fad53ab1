//! What the fuzz targets share: how much memory an input may take, and devices that compute nothing.

pub mod check;
pub mod states;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tempfile::TempDir;
use wgloss::{Error, Gpu};

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn more(bytes: usize) {
    let now = NOW.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(now, Relaxed);
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there for a while.
        more(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Fails if `work` ever holds more than so many bytes.
pub fn bounded<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let made = work();
    let held = PEAK.load(Relaxed).saturating_sub(before);
    assert!(
        held <= most,
        "{held} bytes of memory, where {most} are enough"
    );
    made
}

/// Where files of inputs go: into memory, where the system has a folder for that.
fn folder() -> &'static Path {
    static DIR: OnceLock<TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let shared = tempfile::tempdir_in("/dev/shm");
        shared.or_else(|_| tempfile::tempdir()).expect("a folder")
    });
    dir.path()
}

/// Reads a file of these bytes, in memory that what it holds accounts for.
pub fn file(ending: &str, bytes: &[u8]) {
    let most = check::most(ending, bytes.len());
    bounded(most, || check::array(folder(), ending, bytes));
}

/// A device that checks what it is told, kernels included, and computes nothing.
pub fn device() -> Gpu {
    let mut wanted = wgpu::InstanceDescriptor::new_without_display_handle();
    wanted.backends = wgpu::Backends::NOOP;
    wanted.backend_options.noop.enable = true;
    let instance = wgpu::Instance::new(wanted);
    let adapter = wait(instance.request_adapter(&Default::default())).expect("an adapter");
    let (device, queue) = wait(adapter.request_device(&Default::default())).expect("a device");
    device.on_uncaptured_error(std::sync::Arc::new(|e| panic!("uncaptured: {e}")));
    Gpu::from_device(device, queue)
}

/// Of a backend that has everything done at once.
fn wait<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

/// What a device refuses is a mistake of the library's.
pub fn taken<T>(made: wgloss::Result<T>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(error @ (Error::Device(_) | Error::DeviceLost(_) | Error::OutOfMemory(_))) => {
            panic!("{error}")
        }
        Err(_) => None,
    }
}
