//! Time and memory of burn's losses beside wgloss's, loss and gradient of the input, on one wgpu device in one process.
//!
//!     cargo run --release -p wgloss-burn --bin compare -- [NAME] [--rounds N] [--max-elements N] [--json]
//!
//! burn opens the device and wgloss is given it. In each round burn goes first, wgloss as a module of burn's graph second, and wgloss by itself
//! third, each up to an empty queue. All are held against wgloss's f64 reference on what the last round left; a time counts only beside "right".

#[path = "../../tests/peers/mod.rs"]
#[allow(dead_code, reason = "tests look at more")]
mod peers;

use anyhow::{Context, Result, anyhow, bail};
use burn::tensor::{Device, Tensor, TensorData};
use cpu_time::ProcessTime;
use peers::{Case, Host, HostTarget, Target, Tensors};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use wgloss::gpu::{Bound, Io, View};
use wgloss::{DType, Gpu, LabelType, Layout, Outcome, TargetLayout, reference, wgpu};
use wgloss_burn::{LossModule, SharedGpu};

/// Rounds before the timed ones: burn tunes its kernels and learns what to fuse in the first few.
const WARM_UP: usize = 4;

/// The largest relative error of a loss, and of a gradient by its largest number, that still counts as right. Wide,
/// since it is to find wrong results and not inexact ones.
const TOLERANCE: f64 = 1e-3;

fn main() -> Result<()> {
    let args = Args::parse()?;
    let (device, shared) = SharedGpu::open()?;
    let device = device.autodiff();
    let gpu = shared.gpu().clone();
    let info = gpu.adapter_info();
    let adapter = format!("{} ({:?}, {})", info.name, info.backend, info.driver_info);
    if !args.json {
        println!(
            "{adapter}; one device for both; loss and gradient, f32; ms; {} rounds",
            args.rounds
        );
        println!("{}", header());
    }
    let mut rows = Vec::new();
    for case in peers::all() {
        let elements = case.shape[0] * case.shape[1];
        if !case.name.contains(&args.name) || elements > args.max_elements {
            continue;
        }
        let row = measure(&case, &device, &shared, args.rounds)
            .with_context(|| format!("{} {:?}", case.name, case.shape))?;
        match args.json {
            true => rows.push(row.json()),
            false => println!("{}", row.line()),
        }
    }
    if args.json {
        let all =
            json!({"adapter": adapter, "shared_device": true, "rounds": args.rounds, "rows": rows});
        println!("{all:#}");
    }
    Ok(())
}

struct Args {
    name: String,
    rounds: usize,
    max_elements: usize,
    json: bool,
}

impl Args {
    fn parse() -> Result<Args> {
        let mut args = Args {
            name: String::new(),
            rounds: 12,
            max_elements: usize::MAX,
            json: false,
        };
        let mut given = std::env::args().skip(1);
        while let Some(arg) = given.next() {
            let mut number = || -> Result<usize> {
                let value = given.next().unwrap_or_default();
                match value.parse() {
                    Ok(n) if n > 0 => Ok(n),
                    _ => Err(anyhow!(
                        "{arg}: expected a whole number from 1 on, found `{value}`"
                    )),
                }
            };
            match arg.as_str() {
                "--rounds" => args.rounds = number()?,
                "--max-elements" => args.max_elements = number()?,
                "--json" => args.json = true,
                _ if arg.starts_with('-') => {
                    bail!("expected [NAME] [--rounds N] [--max-elements N] [--json], found `{arg}`")
                }
                _ => args.name = arg,
            }
        }
        Ok(args)
    }
}

/// What one side took, needed and got.
struct Side {
    times: Times,
    /// Bytes of device memory at the most; how each side counts is said in [`measure`].
    peak: u64,
    /// "right", or what is wrong.
    verdict: String,
}

struct Row {
    name: &'static str,
    shape: [usize; 2],
    burn: Side,
    /// Bytes of burn's live tensors when a step is over: inputs, target, loss and gradients.
    burn_live: u64,
    /// wgloss as a module of burn's.
    module: Side,
    wgloss: Side,
}

/// Times one case on both sides, checks both and counts both sides' memory.
fn measure(case: &Case, device: &Device, shared: &SharedGpu, rounds: usize) -> Result<Row> {
    let gpu = shared.gpu();
    let host = Host::new(case);
    let tensors = host.tensors(device);
    let ours = Ours::new(case, &host, gpu)?;
    let module = LossModule::boxed(shared, peers::again(&*case.loss)).reduction(case.reduction);
    let by_burn = || step(|| Ok((case.burn)(&tensors)), &tensors, device);
    let by_module = || {
        step(
            || Ok(module.forward(case.module_batch(&tensors))?),
            &tensors,
            device,
        )
    };
    for _ in 0..WARM_UP {
        by_burn()?;
        by_module()?;
        ours.step()?;
    }

    // burn's peak: pages that its pool holds after one step from a pool without spare pages. Memory is handed out when
    // a step is recorded, so that no moment in between is missed; it includes the pool's own rounding.
    let peak = |step: &dyn Fn() -> Result<Left>| -> Result<(u64, u64)> {
        device.memory_cleanup();
        device.sync()?;
        let held = step()?;
        let usage = device.memory_pool_usage();
        let usage = usage.context("burn reports no memory usage")?;
        drop(held);
        Ok((usage.bytes_reserved, usage.bytes_in_use))
    };
    let (burn_peak, burn_live) = peak(&by_burn)?;
    let (module_peak, _) = peak(&by_module)?;

    let (mut theirs, mut own, mut graph) = (Times::default(), Times::default(), Times::default());
    let (mut last, mut last_of_module) = (None, None);
    for _ in 0..rounds {
        drop(last.take()); // A training step too frees its results before the next one.
        last = theirs.time(|| by_burn().map(Some))?;
        drop(last_of_module.take());
        last_of_module = graph.time(|| by_module().map(Some))?;
        own.time(|| ours.step())?;
    }

    let truth = reference::loss(&*case.loss, &host.batch(case))?;
    let judged = |left: Option<Left>| -> Result<String> {
        let (loss, grads) = left.context("no round")?;
        let loss: Vec<f32> = numbers(loss.into_data())?;
        let grads = grads.into_iter().map(|g| numbers(g.into_data()));
        let grads: Vec<Vec<f32>> = grads.collect::<Result<_>>()?;
        Ok(verdict(loss[0], &grads, &truth))
    };
    let (own_loss, own_grads) = ours.results()?;
    Ok(Row {
        name: case.name,
        shape: case.shape,
        burn: Side {
            times: theirs,
            peak: burn_peak,
            verdict: judged(last)?,
        },
        burn_live,
        module: Side {
            times: graph,
            peak: module_peak,
            verdict: judged(last_of_module)?,
        },
        wgloss: Side {
            times: own,
            peak: ours.bytes,
            verdict: verdict(own_loss, &own_grads, &truth),
        },
    })
}

/// What a step in burn's graph leaves: the loss, and the gradient by each input.
type Left = (Tensor<1>, Vec<Tensor<2>>);

/// One step in burn's graph, up to an empty queue.
fn step(loss: impl Fn() -> Result<Tensor<1>>, tensors: &Tensors, device: &Device) -> Result<Left> {
    let loss = loss()?;
    let mut grads = loss.backward();
    let wanted = tensors.inputs.iter();
    let grads = wanted.map(|x| x.grad_remove(&mut grads).context("burn gave no gradient"));
    let grads = grads.collect::<Result<Vec<_>>>()?;
    device.sync()?;
    Ok((loss.inner(), grads))
}

fn numbers(data: TensorData) -> Result<Vec<f32>> {
    data.try_into_vec()
        .map_err(|e| anyhow!("burn's data: {e:?}"))
}

/// The same loss of wgloss's, bound to buffers of its own.
struct Ours {
    gpu: Gpu,
    bound: Bound,
    grads: Vec<wgpu::Buffer>,
    /// Inputs, target, gradients, scratch and parameters.
    bytes: u64,
}

impl Ours {
    fn new(case: &Case, host: &Host, gpu: &Gpu) -> Result<Ours> {
        let target = match case.target {
            Target::None => TargetLayout::None,
            Target::Values(_) | Target::Integers(_) => TargetLayout::Values(DType::F32),
            Target::Labels => TargetLayout::Labels(LabelType::I32),
            Target::PerRow(_) => TargetLayout::PerRow(DType::F32),
        };
        let layout = Layout {
            target,
            reduction: case.reduction,
            ..Layout::new(case.shape)
        };
        let plan = gpu.plan(&*case.loss, &layout)?;
        let filled = |bytes: &[u8]| {
            let buffer = buffer(gpu, bytes.len() as u64);
            gpu.queue().write_buffer(&buffer, 0, bytes);
            buffer
        };
        let upload = |v: &Vec<f32>| filled(bytemuck::cast_slice(v));
        let inputs: Vec<_> = host.inputs.iter().map(upload).collect();
        let target = match &host.target {
            HostTarget::None => None,
            HostTarget::Floats(v) => Some(upload(v)),
            HostTarget::Labels(v) => Some(filled(bytemuck::cast_slice(v))),
        };
        let grads: Vec<_> = inputs.iter().map(|x| buffer(gpu, x.size())).collect();
        let bound = plan.bind(&Io {
            inputs: inputs.iter().map(View::whole).collect(),
            target: target.as_ref().map(View::whole),
            grads: grads.iter().map(View::whole).collect(),
            ..Default::default()
        })?;
        let tensors = inputs.iter().chain(&target).chain(&grads);
        // Parameters are a uniform buffer of a few words for each dispatch, each at its own offset.
        let parameters = 256 * plan.dispatches() as u64;
        Ok(Ours {
            bytes: tensors.map(wgpu::Buffer::size).sum::<u64>() + plan.scratch_bytes() + parameters,
            gpu: gpu.clone(),
            bound,
            grads,
        })
    }

    /// One step, up to an empty queue.
    fn step(&self) -> Result<()> {
        let device = self.gpu.device();
        let mut encoder = device.create_command_encoder(&Default::default());
        self.bound.encode(&mut encoder);
        self.gpu.queue().submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    }

    /// The loss and the gradients that the last step left.
    fn results(&self) -> Result<(f32, Vec<Vec<f32>>)> {
        let (loss, _) = self.bound.report()?;
        let grads = self.grads.iter().map(|g| self.download(g));
        Ok((
            loss.context("a reduced loss")?,
            grads.collect::<Result<_>>()?,
        ))
    }

    fn download(&self, source: &wgpu::Buffer) -> Result<Vec<f32>> {
        let device = self.gpu.device();
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: source.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, 0, &staging, 0, None);
        self.gpu.queue().submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(bytemuck::cast_slice(&staging.get_mapped_range(..)?).to_vec())
    }
}

fn buffer(gpu: &Gpu, size: u64) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_DST
            | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}

/// "right", or the first of loss and gradients that is not, with what was found and what was expected.
fn verdict(loss: f32, grads: &[Vec<f32>], truth: &Outcome<f64>) -> String {
    let expected = truth.loss.unwrap_or(f64::NAN);
    let off = |found: f32, expected: f64, scale: f64| {
        let error = (f64::from(found) - expected).abs();
        error.is_nan() || error > TOLERANCE * scale
    };
    if off(loss, expected, expected.abs()) {
        return format!("wrong (loss: found {loss:.6e}, expected {expected:.6e})");
    }
    for (k, (found, expected)) in grads.iter().zip(&truth.grads).enumerate() {
        let scale = expected.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        let mut pairs = found.iter().zip(expected);
        if let Some(i) = pairs.position(|(f, e)| off(*f, *e, scale)) {
            let (found, expected) = (found[i], expected[i]);
            return format!(
                "wrong (gradient {k} at {i}: found {found:.6e}, expected {expected:.6e})"
            );
        }
    }
    "right".into()
}

/// Process CPU time and wall time of each round, in milliseconds.
#[derive(Default)]
struct Times {
    cpu: Vec<f64>,
    wall: Vec<f64>,
}

impl Times {
    fn time<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (cpu, wall) = (ProcessTime::now(), Instant::now());
        let done = work();
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        self.cpu.push(ms(cpu.elapsed()));
        self.wall.push(ms(wall.elapsed()));
        done
    }

    fn json(&self) -> Value {
        json!({
            "cpu_ms_min": least(&self.cpu),
            "cpu_ms_median": median(&self.cpu),
            "wall_ms_min": least(&self.wall),
            "wall_ms_median": median(&self.wall),
        })
    }
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn header() -> String {
    format!(
        "{:<36} {:>11} | {:>8} {:>8} {:>8} {:>8} {:>6} | {:>8} {:>8} {:>8} {:>8} {:>6} | {:>8} {:>8} {:>8} {:>8} {:>6} | {:>6} {:>6}  verdict",
        "",
        "",
        "burn cpu",
        "median",
        "wall",
        "median",
        "MB",
        "mod. cpu",
        "median",
        "wall",
        "median",
        "MB",
        "wgl. cpu",
        "median",
        "wall",
        "median",
        "MB",
        "mod. x",
        "wgl. x"
    )
}

impl Row {
    fn line(&self) -> String {
        let side = |s: &Side| {
            let t = &s.times;
            format!(
                "{:8.1} {:8.1} {:8.1} {:8.1} {:6.0}",
                least(&t.cpu),
                median(&t.cpu),
                least(&t.wall),
                median(&t.wall),
                s.peak as f64 / 1e6
            )
        };
        let verdict = match self.wgloss.verdict.as_str() {
            "right" => format!("burn {}", self.burn.verdict),
            wrong => format!("burn {}; wgloss {wrong}", self.burn.verdict),
        };
        let verdict = match self.module.verdict.as_str() {
            "right" => verdict,
            wrong => format!("{verdict}; module {wrong}"),
        };
        let over = |s: &Side| least(&self.burn.times.cpu) / least(&s.times.cpu);
        format!(
            "{:<36} {:>11} | {} | {} | {} | {:6.2} {:6.2}  {verdict}",
            self.name,
            format!("{}x{}", self.shape[0], self.shape[1]),
            side(&self.burn),
            side(&self.module),
            side(&self.wgloss),
            over(&self.module),
            over(&self.wgloss)
        )
    }

    fn json(&self) -> Value {
        let side = |s: &Side| {
            let mut object = s.times.json();
            object["peak_bytes"] = s.peak.into();
            object["verdict"] = s.verdict.clone().into();
            object
        };
        let mut burn = side(&self.burn);
        burn["live_bytes"] = self.burn_live.into();
        json!({
            "name": self.name,
            "rows": self.shape[0],
            "cols": self.shape[1],
            "burn": burn,
            "module": side(&self.module),
            "wgloss": side(&self.wgloss),
            "cpu_ratio": least(&self.burn.times.cpu) / least(&self.wgloss.times.cpu),
            "module_cpu_ratio": least(&self.burn.times.cpu) / least(&self.module.times.cpu),
        })
    }
}
