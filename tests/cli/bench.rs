//! Running the command line in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use wgloss::cli::files::{Array, Data, Outputs, read};

/// A folder that goes away with the test, in which the program runs.
pub struct Bench {
    pub dir: TempDir,
    driver: bool,
}

/// What a run of the program gave.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    /// Runs with the drivers there are.
    pub fn new() -> Self {
        Bench {
            dir: tempfile::tempdir().unwrap(),
            driver: true,
        }
    }

    /// Runs as if no driver were installed.
    pub fn without_driver() -> Self {
        Bench {
            driver: false,
            ..Self::new()
        }
    }

    /// Writes an `.npy`.
    pub fn save(&self, name: &str, shape: &[usize], data: Data) {
        let mut outputs = Outputs::new();
        outputs
            .add(&self.dir.path().join(name), shape, &data)
            .unwrap();
        outputs.commit().unwrap();
    }

    /// Writes any bytes.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir.path().join(name), bytes).unwrap();
    }

    /// Reads an array.
    pub fn load(&self, name: &str) -> Array {
        read(&self.dir.path().join(name).display().to_string()).unwrap()
    }

    /// The names of all files, hidden ones too.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The program with arguments that have no spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgloss"));
        command.current_dir(self.dir.path());
        command.args(line.split_whitespace());
        command.stdin(Stdio::null());
        // Mesa complains on standard error where it has no folder to look for a display in.
        command.env("XDG_RUNTIME_DIR", self.dir.path());
        if !self.driver {
            for variable in ["VK_ICD_FILENAMES", "VK_DRIVER_FILES"] {
                command.env(variable, "/nonexistent");
            }
        }
        command
    }

    pub fn run(&self, line: &str) -> Ran {
        Ran::from(self.command(line).output().unwrap())
    }

    /// Runs and expects success, and one JSON object and nothing else on standard output.
    pub fn json(&self, line: &str) -> Value {
        let ran = self.run(&format!("{line} --json"));
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        let value: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(value.is_object(), "{line}");
        value
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            code: output.status.code().expect("ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The loss of the digits in the examples.
pub fn digits() -> String {
    format!(
        "loss cross_entropy --input {} --target {}",
        example("digits_logits.npy"),
        example("digits_labels.npy")
    )
}

fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("examples/data").join(name).display().to_string()
}

/// Numbers in single precision.
pub fn singles(array: &Array) -> &[f32] {
    match &array.data {
        Data::F32(items) => items,
        other => panic!("{}", other.dtype_name()),
    }
}

/// Numbers in double precision.
pub fn doubles(array: &Array) -> &[f64] {
    match &array.data {
        Data::F64(items) => items,
        other => panic!("{}", other.dtype_name()),
    }
}

/// An array of single precision.
pub fn f32s(values: &[f32]) -> Data {
    Data::F32(values.to_vec())
}

pub fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b}");
}
