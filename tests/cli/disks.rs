//! Disks that are full, folders that cannot be written to, and output that nobody takes: exit code 2 and one line, and of the
//! files either all or none.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use wgloss::cli::files::Data;

use super::bench::{Bench, Ran, digits};

/// Every way to a file, with the files that it makes in folder `{}`, in the order in which they are written.
const OUTPUTS: &[(&str, &[&str])] = &[
    (
        "loss mse --input x.npy --target t.npy --out-loss {}/l.npy",
        &["l.npy"],
    ),
    (
        "loss mse --input x.npy --target t.npy --out-grad {}/g.npy",
        &["g.npy"],
    ),
    (
        "loss mse --input x.npy --target t.npy --reduction none --out-loss {}/l.npy --out-grad {}/g.npy",
        &["l.npy", "g.npy"],
    ),
    (
        "loss gaussian_nll --input x.npy --input t.npy --target t.npy --out-grad {}/g.npy --out-grad {}/h.npy",
        &["g.npy", "h.npy"],
    ),
    (
        "loss --combined sum.json --out-loss {}/l.npy --out-grad {}/g.npy",
        &["l.npy", "g.npy"],
    ),
    (
        "metrics binary --input s.npy --target b.npy --curves {}/c.npz",
        &["c.npz"],
    ),
    (
        "metrics binary --input s.npy --target b.npy --plot {}",
        &["roc.svg"],
    ),
    ("plot --wgsl own.wgsl --out {}", &["own.svg"]),
];

/// Large enough for a file not to fit where little does.
const N: usize = 4000;

fn bench() -> Bench {
    let bench = Bench::without_driver();
    let some = |scale: f32| Data::F32((0..N).map(|i| (i % 1000) as f32 * scale + 0.001).collect());
    bench.save("x.npy", &[N], some(0.001));
    bench.save("t.npy", &[N], some(0.002));
    let distinct = (0..N).map(|i| i as f32 / N as f32);
    bench.save("s.npy", &[N], Data::F32(distinct.collect()));
    let labels = (0..N).map(|i| i64::from(i % 3 == 0));
    bench.save("b.npy", &[N], Data::I64(labels.collect()));
    bench.write(
        "sum.json",
        br#"{"terms": [{"loss": "mse", "weight": 1, "input": "x.npy", "target": "t.npy"}]}"#,
    );
    bench.write(
        "own.wgsl",
        b"fn loss(x: f32, t: f32) -> f32 { let d = x - t; return d * d; }",
    );
    bench
}

/// Whether a line draws.
fn draws(line: &str) -> bool {
    line.contains("plot")
}

/// The names in a folder, hidden ones too.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// An error of one line about a file.
fn refused(ran: &Ran, line: &str, file: &str, why: &str) {
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (2, ""),
        "{line}\n{}",
        ran.stderr
    );
    let errors: Vec<_> = ran
        .stderr
        .lines()
        .filter(|l| l.starts_with("error: "))
        .collect();
    let [error] = errors.as_slice() else {
        panic!("{line}\n{}", ran.stderr)
    };
    assert!(
        error.contains(file) && error.contains(why),
        "{line}\n{error}\n{why}"
    );
    let notes = ran.stderr.lines().filter(|l| l.starts_with("device: "));
    assert_eq!(
        ran.stderr.lines().count(),
        1 + notes.count(),
        "{}",
        ran.stderr
    );
}

/// Runs a line by a shell, after `first`.
fn by_shell(bench: &Bench, first: &str, line: &str) -> Ran {
    let program = bench.command(line);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first}; exec \"$@\""), "sh"]);
    shell.arg(program.get_program()).args(program.get_args());
    shell.current_dir(bench.dir.path()).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Ran::from(shell.output().unwrap())
}

/// All outputs are possible where there is room: or else nothing here would show anything.
#[test]
fn there_is_a_way_to_every_file() {
    for (line, files) in OUTPUTS {
        let bench = bench();
        fs::create_dir(bench.dir.path().join("out")).unwrap();
        let ran = bench.run(&line.replace("{}", "out"));
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        let found = names(&bench.dir.path().join("out"));
        for file in *files {
            assert!(found.iter().any(|f| f == file), "{line}: {found:?}");
        }
        assert!(found.iter().all(|f| !f.starts_with('.')), "{found:?}");
    }
}

/// A limit on the size of files, under which some fit and others do not.
#[cfg(unix)]
#[test]
fn files_may_not_be_larger_than_allowed() {
    // Half a kibibyte each; and a signal that ends the process, or an error.
    for signal in ["true", "trap '' XFSZ"] {
        for blocks in [0, 1, 16] {
            for (line, _) in OUTPUTS {
                // One number fits; and pictures take their time.
                let fits = line.ends_with("l.npy") || line.contains("own.wgsl");
                if blocks > 0 && (fits || draws(line)) {
                    continue;
                }
                let bench = bench();
                let before = bench.files();
                fs::create_dir(bench.dir.path().join("out")).unwrap();
                let limit = format!("{signal}; ulimit -f {blocks}");
                let ran = by_shell(&bench, &limit, &line.replace("{}", "out"));
                refused(&ran, line, "out/", "cannot write: file too large");
                assert!(names(&bench.dir.path().join("out")).is_empty(), "{line}");
                // And where the folder is made for it.
                fs::remove_dir(bench.dir.path().join("out")).unwrap();
                if line.contains("--plot {}") || line.contains("--out {}") {
                    let ran = by_shell(&bench, &limit, &line.replace("{}", "new/out"));
                    refused(&ran, line, "new/out/", "cannot write: file too large");
                }
                assert_eq!(bench.files(), before, "{line}");
            }
        }
    }
}

/// A disk of 12 KiB, in a namespace of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full() {
    let mount = |options: &str| format!("mount -t tmpfs {options} none out");
    let namespace = |bench: &Bench, script: &str, line: &str| {
        let program = bench.command(line);
        let mut run = Command::new("unshare");
        run.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
        run.arg(program.get_program()).args(program.get_args());
        run.current_dir(bench.dir.path()).stdin(Stdio::null());
        run.env("VK_ICD_FILENAMES", "/nonexistent");
        run.env("VK_DRIVER_FILES", "/nonexistent");
        run.env("XDG_RUNTIME_DIR", bench.dir.path());
        run.output()
    };
    let probe = bench();
    fs::create_dir(probe.dir.path().join("out")).unwrap();
    let there = namespace(&probe, &mount("-o size=12k"), "list");
    if !there.is_ok_and(|o| o.status.success()) {
        // Past the capturing of test output.
        let line = b"skipped: no disk can be mounted here, and so none is full\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line);
        return;
    }
    for (line, files) in OUTPUTS {
        // Those that do not fit; the others take all the disk's pages but for what they replace.
        let fits = line.ends_with("l.npy") || line.contains("own.wgsl");
        for (options, why) in [("-o size=12k", "No space left"), ("-o ro", "Read-only")] {
            let bench = bench();
            fs::create_dir(bench.dir.path().join("out")).unwrap();
            // What is there stays as it is, and what else there is the shell says where nobody else looks.
            let old = files.last().unwrap();
            let script = match options {
                "-o ro" => format!(
                    "{} && {{ \"$@\"; code=$?; }}; ls -A out >found; exit $code",
                    mount(options)
                ),
                _ => format!(
                    "{} && echo old >out/{old} && {} {{ \"$@\"; code=$?; }}; ls -A out >found; cat out/{old} >kept; exit $code",
                    mount(options),
                    // Nothing of such a disk is left for the small ones.
                    if fits {
                        "{ cat /dev/zero >out/full 2>/dev/null; true; } &&"
                    } else {
                        ""
                    },
                ),
            };
            let output = namespace(&bench, &script, &line.replace("{}", "out")).unwrap();
            let ran = Ran::from(output);
            refused(&ran, line, "out", why);
            let found = fs::read_to_string(bench.dir.path().join("found")).unwrap();
            let found: Vec<_> = found.lines().filter(|f| *f != "full").collect();
            if options == "-o ro" {
                assert!(found.is_empty(), "{line}: {found:?}");
            } else {
                assert_eq!(found, [*old], "{line}");
                let kept = fs::read_to_string(bench.dir.path().join("kept")).unwrap();
                assert_eq!(kept, "old\n", "{line}");
            }
        }
    }
}

/// A folder in which nobody makes a file, whoever it is; and one in which only its owner's rights are missing, where those count.
#[cfg(target_os = "linux")]
#[test]
fn folders_that_cannot_be_written_to() {
    use std::os::unix::fs::PermissionsExt;
    for (line, files) in OUTPUTS {
        let bench = bench();
        let before = bench.files();
        refused(
            &bench.run(&line.replace("{}", "/sys")),
            line,
            "/sys",
            "cannot write: ",
        );
        assert_eq!(bench.files(), before, "{line}");
        // A good one beside a bad one does not appear.
        if files.len() > 1 {
            for (good, bad) in [("good", "/sys"), ("/sys", "good")] {
                fs::create_dir_all(bench.dir.path().join("good")).unwrap();
                let line = line.replacen("{}", good, 1).replace("{}", bad);
                refused(&bench.run(&line), &line, "/sys/", "cannot write: ");
                assert!(names(&bench.dir.path().join("good")).is_empty(), "{line}");
            }
        }
        // A folder under a file, and one that cannot be made.
        let under = bench.run(&line.replace("{}", "x.npy/out"));
        refused(&under, line, "x.npy/out", "cannot ");
        let closed = bench.dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
        if fs::write(closed.join("probe"), b"").is_err() {
            refused(
                &bench.run(&line.replace("{}", "closed")),
                line,
                "closed",
                "cannot write: ",
            );
            assert!(names(&closed).is_empty());
        }
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Every command that prints.
fn printing() -> Vec<String> {
    let new = "plot --wgsl own.wgsl --out new/out";
    let lines = ["list", "list --json", "adapters", "adapters --json", new].map(String::from);
    let outputs = OUTPUTS.iter().map(|(line, _)| line.replace("{}", "out"));
    let json = OUTPUTS.iter().filter(|(line, _)| !draws(line));
    let json = json.map(|(line, _)| format!("{line} --json").replace("{}", "out"));
    let digits = format!("{} --device cpu", digits());
    let others = outputs.chain(json).chain([digits]);
    lines.into_iter().chain(others).collect()
}

/// An error leaves no file behind, in whatever order things are done.
#[cfg(target_os = "linux")]
#[test]
fn standard_output_is_full() {
    for line in printing() {
        let bench = bench();
        fs::create_dir(bench.dir.path().join("out")).unwrap();
        let before = bench.files();
        let full = || fs::File::options().write(true).open("/dev/full").unwrap();
        let output = bench.command(&line).stdout(full()).output().unwrap();
        let ran = Ran::from(output);
        refused(
            &ran,
            &line,
            "standard output",
            "cannot write: No space left",
        );
        assert_eq!(bench.files(), before, "{line}");
        assert!(names(&bench.dir.path().join("out")).is_empty(), "{line}");
        // Nor is there anything to say it to.
        let both = bench.command(&line).stdout(full()).stderr(full()).status();
        assert_eq!(both.unwrap().code(), Some(2), "{line}");
        assert!(names(&bench.dir.path().join("out")).is_empty(), "{line}");
    }
}

/// A reader that has seen enough is no error; and what is closed from the beginning none either, or else one with a code.
#[cfg(unix)]
#[test]
fn standard_output_is_closed() {
    for line in printing() {
        let bench = bench();
        fs::create_dir(bench.dir.path().join("out")).unwrap();
        let mut child = bench
            .command(&line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        let mut pipe = child.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{line}\n{stderr}");
        let written = !names(&bench.dir.path().join("out")).is_empty();
        assert_eq!(written, line.contains(" out"), "{line}");
        assert!(
            !stderr.contains("error") && !stderr.contains("panic"),
            "{stderr}"
        );
        // Pictures take their time.
        let ways = if draws(&line) { 1 } else { 3 };
        for closed in &["exec >&- 2>&-", "exec >&-", "exec >&- 2>&- <&-"][..ways] {
            let ran = by_shell(&bench, closed, &line);
            assert!([0, 2].contains(&ran.code), "{line}: {}", ran.code);
            assert!(!ran.stderr.contains("panic"), "{}", ran.stderr);
        }
        let out = names(&bench.dir.path().join("out"));
        assert!(out.iter().all(|f| !f.starts_with('.')), "{out:?}");
    }
}
