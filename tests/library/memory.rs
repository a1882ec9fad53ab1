//! No memory on the device, at each allocation in turn; and drivers that give up at any other call. A layer between wgpu and the
//! driver, `memory/layer.c`, lets one call of some functions fail. It is a matter of the process, so that everything
//! happens in another one.

use crate::faults::{
    CE, COLS, Data, F32, LABELS, LOGITS, MSE, N, ROWS, States, Watch, Whose, labelled, several,
    terms, uncaptured, values, watched,
};
use crate::support;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wgloss::gpu::{Io, RowOutputsIo, View};
use wgloss::metric::Multilabel;
use wgloss::{
    Batch, Combined, CombinedTerm, DType, Error, Gpu, LabelType, Reduction, Result, wgpu,
};

const LAYER: &str = "VK_LAYER_WGLOSS_faults";
/// Names the file that tells the layer what fails.
const FILE: &str = "WGLOSS_FAULTS";
/// How long all of it may take: kernels are compiled, each a few times.
const LIMIT: Duration = Duration::from_secs(500);

/// What fails: the bits that the layer knows functions by.
const CREATE_BUFFER: u32 = 1;
const ALLOCATE_MEMORY: u32 = 1 << 1;
const OTHERS: [(&str, u32); 12] = [
    ("vkBindBufferMemory", 1 << 2),
    ("vkCreateShaderModule", 1 << 4),
    ("vkCreateDescriptorSetLayout", 1 << 5),
    ("vkCreatePipelineLayout", 1 << 6),
    ("vkCreateComputePipelines", 1 << 7),
    ("vkCreateDescriptorPool", 1 << 8),
    ("vkAllocateDescriptorSets", 1 << 9),
    ("vkCreateCommandPool", 1 << 10),
    ("vkAllocateCommandBuffers", 1 << 11),
    ("vkBeginCommandBuffer", 1 << 12),
    ("vkEndCommandBuffer", 1 << 13),
    ("vkQueueSubmit", 1 << 14),
];
const SUBMIT: u32 = 1 << 14;
const WAIT: u32 = 1 << 15 | 1 << 16 | 1 << 19;
const ASK: u32 = 1 << 17 | 1 << 18 | 1 << 20;

/// What Vulkan returns.
const NO_HOST_MEMORY: i32 = -1;
const NO_DEVICE_MEMORY: i32 = -2;
const DEVICE_LOST: i32 = -4;

/// The file that the layer looks at.
struct Faults(File);

impl Faults {
    /// The `n`-th call of `functions` from now on returns `result`.
    fn arm(&self, functions: u32, n: i32, result: i32) {
        self.write(0, 0);
        self.write(1, n);
        // wgpu's allocator tries another kind of memory where the driver has none of one.
        self.write(2, i32::from(functions & ALLOCATE_MEMORY != 0));
        self.write(3, result);
        self.write(0, functions as i32);
    }

    /// Lets everything be, and says whether something has failed.
    fn disarm(&self) -> bool {
        self.write(0, 0);
        self.read(1) <= 0
    }

    /// Buffers and allocations there are.
    fn live(&self) -> [i32; 2] {
        [self.read(4), self.read(5)]
    }

    fn write(&self, word: u64, value: i32) {
        let bytes = value.to_ne_bytes();
        self.0.write_all_at(&bytes, 4 * word).expect("written");
    }

    fn read(&self, word: u64) -> i32 {
        let mut bytes = [0; 4];
        self.0.read_exact_at(&mut bytes, 4 * word).expect("read");
        i32::from_ne_bytes(bytes)
    }
}

#[test]
fn no_memory_at_each_allocation() {
    if support::gpu().is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let layer = dir.path().join("liblayer.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/memory/layer.c");
    let built = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"])
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-o"])
        .args([&layer, &source])
        .output()
        .expect("a C compiler, as Rust itself needs one to link");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let manifest = format!(
        r#"{{"file_format_version": "1.0.0", "layer": {{"name": "{LAYER}", "type": "GLOBAL",
        "library_path": "{}", "api_version": "1.3.0", "implementation_version": "1", "description": "faults"}}}}"#,
        layer.display()
    );
    fs::write(dir.path().join("layer.json"), manifest).expect("written");
    let file = dir.path().join("faults");
    fs::write(&file, [0; 24]).expect("written");
    let log = dir.path().join("log");
    let to = |log: &File| Stdio::from(log.try_clone().expect("another handle"));
    let out = File::create(&log).expect("made");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["memory::in_a_process_of_its_own", "--exact", "--ignored"])
        .arg("--nocapture")
        .env("VK_LAYER_PATH", dir.path())
        .env("VK_INSTANCE_LAYERS", LAYER)
        .env(FILE, &file)
        .stdin(Stdio::null())
        .stdout(to(&out))
        .stderr(to(&out))
        .spawn()
        .expect("started");
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break Some(status),
            None if start.elapsed() > LIMIT => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    if status.is_none() {
        child.kill().expect("ended");
        child.wait().expect("ended");
    }
    let text = fs::read_to_string(&log).expect("text");
    println!("{text}");
    let passed = status.is_some_and(|s| s.success()) && text.contains("1 passed");
    assert!(passed, "{status:?}\n{text}");
}

#[test]
#[ignore = "no_memory_at_each_allocation runs it in a process of its own"]
fn in_a_process_of_its_own() {
    let Some(file) = std::env::var_os(FILE) else {
        panic!("{FILE} says nothing: this is a part of no_memory_at_each_allocation");
    };
    let file = OpenOptions::new().read(true).write(true).open(file);
    let faults = Faults(file.expect("opened"));
    let gpu = Gpu::new().expect("a device");
    if gpu.adapter_info().backend != wgpu::Backend::Vulkan {
        support::notice("skipped: allocations that fail, for this is not Vulkan");
        return;
    }
    let uncaptured = uncaptured(&gpu);
    small(&gpu, &faults);
    states_stay(&gpu, &faults);
    large(&faults);
    assert_eq!(uncaptured.load(Ordering::SeqCst), 0);
    drop(gpu);
    watched(move |watch| {
        for (k, (name, function)) in OTHERS.into_iter().enumerate() {
            watch.call(name, || ());
            let result = [NO_HOST_MEMORY, NO_DEVICE_MEMORY][k % 2];
            other_calls(&faults, name, function, result);
        }
        for (name, functions) in [("submitting", SUBMIT), ("waiting", WAIT), ("asking", ASK)] {
            watch.call(name, || ());
            lost_for_good(&faults, name, functions, watch);
        }
    });
}

/// All that there is of buffers: of the driver, and in wgpu's allocator.
fn live(gpu: &Gpu, faults: &Faults) -> (i32, Option<(usize, u64)>) {
    let waited = gpu.device().poll(wgpu::PollType::wait_indefinitely());
    waited.expect("the device is there");
    let report = gpu.device().generate_allocator_report();
    let report = report.map(|r| (r.allocations.len(), r.total_allocated_bytes));
    (faults.live()[0], report)
}

/// The device still does what it should.
fn usable(gpu: &Gpu) {
    let (x, t) = ([1.0f32, 2.0, 3.0], [0.0f32; 3]);
    let out = gpu.loss(&MSE, &Batch::new([3], &x).target(&t));
    let out = out.expect("a device that can be used");
    assert_eq!(out.loss, Some(14.0 / 3.0));
}

/// Makes each allocation of a call fail in turn: every time an error that says so, a device that goes on, and nothing left over.
/// Returns how many there are.
fn each<T: Debug>(
    gpu: &Gpu,
    faults: &Faults,
    (name, functions): (&str, u32),
    mut call: impl FnMut() -> Result<T>,
) -> i32 {
    usable(gpu);
    // Twice, so that what is kept for good is there.
    call().expect("all is well");
    let wanted = format!("{:?}", call().expect("all is well"));
    let before = live(gpu, faults);
    for n in 1.. {
        faults.arm(functions, n, NO_DEVICE_MEMORY);
        let result = call();
        if !faults.disarm() {
            assert_eq!(format!("{:?}", result.expect("all is well")), wanted);
            println!("{name}: {} allocations", n - 1);
            return n - 1;
        }
        let said = matches!(result, Err(Error::OutOfMemory(_)));
        assert!(said, "{name}, allocation {n}: {result:?}");
        assert_eq!(live(gpu, faults), before, "{name}, allocation {n}");
        usable(gpu);
        assert_eq!(live(gpu, faults), before, "{name}, allocation {n}");
    }
    unreachable!("it ends")
}

const X: [f32; 12] = [0.1, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7, 0.2, 0.8, 0.25, 0.5, 0.75];

/// Each allocation of everything the library does.
fn small(gpu: &Gpu, faults: &Faults) {
    let buffers = |name| (name, CREATE_BUFFER);
    let labels = [0i64, 1, 2, 1];
    // A tensor and what it is uploaded through, each; parameters of a plan and of its opening, and what they go through; sums;
    // a gradient; and what is read back: the report, the gradient.
    let found = each(gpu, faults, buffers("loss"), || {
        gpu.loss(&MSE, &Batch::new([4, 3], &X).target(&X))
    });
    assert!(found >= 10, "{found}");
    each(gpu, faults, buffers("rows"), || {
        let batch = Batch::new([4, 3], &X).labels(&labels);
        let batch = batch.weight(&X[..4]).balanced();
        gpu.loss(&CE, &batch.reduction(Reduction::None))
    });
    each(gpu, faults, buffers("a sum"), || {
        let mut sum = Combined::new();
        let x = sum.input([4, 3], &X);
        sum.term(CombinedTerm::new(&MSE, 0.5, [x]).target(&X));
        sum.term(CombinedTerm::new(&CE, 0.5, [x]).labels(&labels));
        gpu.combined(&sum)
    });
    let data = Data::new(gpu);
    let plan = gpu.plan(&MSE, &values()).expect("a plan");
    let outputs = gpu.plan_row_outputs(&CE, &labelled()).expect("a plan");
    let loss = support::upload(gpu, &[0; 8]);
    each(gpu, faults, buffers("micro-batches"), || {
        let normalizer = plan.normalizer()?;
        let bound = plan.bind(&Io {
            normalizer: Some(&normalizer),
            loss: Some(View {
                buffer: &loss,
                offset: 4,
                size: 4,
            }),
            ..data.io(&data.t)
        })?;
        support::submit(gpu, &mut |encoder| {
            normalizer.encode_reset(encoder);
            bound.encode_count(encoder).expect("one of several");
            bound.encode(encoder);
        });
        Ok((bound.report()?, normalizer.report()?))
    });
    each(gpu, faults, buffers("combined"), || {
        let plan = gpu.plan_combined(&terms())?;
        let bound = plan.bind(&data.parts())?;
        support::submit(gpu, &mut |encoder| bound.encode(encoder));
        bound.report()
    });
    each(gpu, faults, buffers("row outputs"), || {
        let wanted = RowOutputsIo {
            entropy: Some(View::whole(&data.out[1])),
            target: Some(View::whole(&data.classes)),
            ..RowOutputsIo::new(data.x())
        };
        outputs.bind(&wanted).map(|_| ())
    });
    each(gpu, faults, buffers("class weights"), || {
        let plan = gpu.plan_class_weights(64, 4, LabelType::U32, None)?;
        let (labels, weights) = (View::whole(&data.classes), View::whole(&data.out[1]));
        plan.bind(&labels, &weights).map(|_| ())
    });
    // One after the other, since each is made again for every allocation.
    macro_rules! state {
        ($made:expr, |$state:ident| $bound:expr) => {
            let found = each(gpu, faults, buffers(stringify!($made)), || {
                #[allow(unused_mut)]
                let mut $state = $made?;
                let batch = $bound?;
                support::submit(gpu, &mut |encoder| {
                    $state.update(encoder, &batch).expect("its own batch");
                });
                let saved = $state.to_bytes()?;
                $state.load_bytes(&saved)?;
                $state.compute()
            });
            assert!(found >= 7, "{found}");
        };
    }
    let [x, t] = [data.x(), data.t()];
    let [classes, bits] = [&data.classes, &data.bits].map(View::whole);
    let (f32, labels) = (DType::F32, Multilabel::default());
    state!(gpu.scores(f32, LABELS, N), |s| s.bind(&x, &bits, N, None));
    state!(gpu.bounded_scores(f32, LABELS, 12), |s| s
        .bind(&x, &bits, N, None));
    state!(gpu.confusion(F32, LABELS, COLS), |s| s
        .bind(&x, &classes, ROWS, None));
    state!(gpu.binary(&LOGITS, F32, LABELS, None, N), |s| s
        .bind(&x, &bits, N));
    state!(
        gpu.multiclass(&several(), F32, LABELS, None, COLS, 0),
        |s| s.bind(&x, &classes, ROWS)
    );
    state!(
        gpu.multilabel(&labels, F32, LABELS, None, COLS, ROWS),
        |s| s.bind(&x, &bits, ROWS)
    );
    state!(gpu.regression(f32, f32, Some(f32)), |s| s
        .bind_weighted(&x, &t, &t, N));
}

/// What a state holds is as it was when there is no memory for a change.
fn states_stay(gpu: &Gpu, faults: &Faults) {
    let data = Data::new(gpu);
    let mut states = States::new(gpu, Whose::Own).expect("states");
    let empty = states.saved().expect("saved");
    states.see(gpu, &data).expect("seen");
    let full = states.saved().expect("saved");
    for k in 0..full.len() {
        let mut one = vec![None; full.len()];
        for n in 1.. {
            one[k] = Some(empty[k].as_slice());
            faults.arm(CREATE_BUFFER, n, NO_DEVICE_MEMORY);
            let loaded = states.load(&one);
            let failed = faults.disarm();
            let same = states.saved().expect("saved") == full;
            if !failed {
                loaded.expect("all is well");
                assert!(n > 1 && !same, "state {k}");
                break;
            }
            assert!(matches!(loaded, Err(Error::OutOfMemory(_))), "{loaded:?}");
            assert!(same, "state {k}, allocation {n}");
        }
        one[k] = Some(full[k].as_slice());
        states.load(&one).expect("loaded");
    }
    let mut other = States::new(gpu, Whose::Own).expect("states");
    other.see(gpu, &data).expect("seen");
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    states.merge(&mut encoder, &other).expect("merged");
    gpu.queue().submit([encoder.finish()]);
    let merged_all = states.saved().expect("saved");
    let before: Vec<_> = full.iter().map(|s| Some(s.as_slice())).collect();
    for n in 1.. {
        states.load(&before).expect("loaded");
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        faults.arm(CREATE_BUFFER, n, NO_DEVICE_MEMORY);
        let merged = states.merge(&mut encoder, &other);
        let failed = faults.disarm();
        // The encoder is the host's, and good for whatever else it records.
        gpu.queue().submit([encoder.finish()]);
        if !failed {
            merged.expect("all is well");
            println!("merging: {} allocations", n - 1);
            assert!(n > 9 && states.saved() == Ok(merged_all), "{n}");
            break;
        }
        assert!(matches!(merged, Err(Error::OutOfMemory(_))), "{merged:?}");
        // Those before it did merge, and none by half.
        for (k, saved) in states.saved().expect("saved").iter().enumerate() {
            let whole = *saved == full[k] || *saved == merged_all[k];
            assert!(whole, "state {k}, allocation {n}");
        }
    }
    usable(gpu);
}

/// Tensors that are larger than what wgpu's allocator has in store, on a host's device: the driver itself has no memory.
fn large(faults: &Faults) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()));
    let adapter = adapter.expect("there is an adapter");
    let made = adapter.request_device(&wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits::default().or_worse_values_from(&adapter.limits()),
        memory_hints: wgpu::MemoryHints::Manual {
            suballocated_device_memory_block_size: 1 << 22..1 << 22,
        },
        ..Default::default()
    });
    let (device, queue) = pollster::block_on(made).expect("a device");
    let gpu = Gpu::from_device(device, queue);
    let uncaptured = uncaptured(&gpu);
    // Just larger than a block.
    let x = vec![0.5f32; (1 << 20) + 4096];
    let functions = CREATE_BUFFER | ALLOCATE_MEMORY;
    let found = each(&gpu, faults, ("large tensors", functions), || {
        let batch = Batch::new([x.len()], &x).target(&x);
        let out = gpu.loss(&MSE, &batch)?;
        Ok((out.loss, out.grads[0].len()))
    });
    assert!(found >= 15, "{found}");
    assert_eq!(uncaptured.load(Ordering::SeqCst), 0);
}

/// One other call that fails, on a device of its own since wgpu gives most of them up for that: an error of some type.
fn other_calls(faults: &Faults, name: &str, function: u32, result: i32) {
    let gpu = Gpu::new().expect("a device");
    let uncaptured = uncaptured(&gpu);
    faults.arm(function, 1, result);
    let found = gpu.loss(&MSE, &Batch::new([4, 3], &X).target(&X));
    assert!(faults.disarm(), "{name} was not called");
    println!("{name}: {found:?}");
    let typed = matches!(
        found,
        Err(Error::OutOfMemory(_) | Error::DeviceLost(_) | Error::Device(_))
    );
    assert!(typed, "{name}: {found:?}");
    let again = gpu.loss(&MSE, &Batch::new([4, 3], &X).target(&X));
    let consistent = match found {
        Err(Error::DeviceLost(_)) => matches!(again, Err(Error::DeviceLost(_))),
        _ => again.is_ok(),
    };
    assert!(consistent, "{name}: {found:?}, then {again:?}");
    assert_eq!(uncaptured.load(Ordering::SeqCst), 0, "{name}");
}

/// A driver that loses the device, as hardware does.
fn lost_for_good(faults: &Faults, name: &str, functions: u32, watch: &Watch) {
    let gpu = Gpu::new().expect("a device");
    let uncaptured = uncaptured(&gpu);
    let data = Data::new(&gpu);
    let plan = gpu.plan(&MSE, &values()).expect("a plan");
    let bound = plan.bind(&data.io(&data.t)).expect("bound");
    // So much to do that it has to be waited for.
    let mut passes = 100;
    let found = loop {
        support::submit(&gpu, &mut |encoder| {
            for _ in 0..passes {
                bound.encode(encoder);
            }
        });
        faults.arm(functions, 1, DEVICE_LOST);
        let found = watch.call(name, || bound.report());
        if faults.disarm() {
            break found;
        }
        passes *= 4;
        assert!(passes < 1 << 20, "{name}: not called");
    };
    watch.lost(name, || found);
    watch.lost(name, || pollster::block_on(bound.report_async()));
    watch.lost(name, || gpu.plan(&MSE, &values()));
    assert_eq!(uncaptured.load(Ordering::SeqCst), 0, "{name}");
    watch.call("drop", || drop((bound, plan, data, gpu)));
}
