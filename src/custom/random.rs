//! Random losses: what is derived of them against differences of them, and what a GPU gives against the interpreter.
//!
//! - [`grammar`] is what they are made of, and [`tree`] makes them, and makes them smaller when they fail.
//! - [`differences`] looks at derivatives.
//! - [`device`] looks at what a GPU gives.

mod device;
mod differences;
mod grammar;
mod tree;

use super::derive::{UNIT_LOG, derive};
use super::emit::checked;
use super::interpret::Machine;
use super::parse::{Kind, Parsed};
use naga::{Function, Handle};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A file with its derivative.
struct Both {
    source: Parsed,
    /// The same file, with the derivative in its module.
    derived: Parsed,
    function: Handle<Function>,
    /// The numbers of its options.
    options: Vec<f64>,
}

impl Both {
    fn new(text: &str, inputs: &[bool]) -> Result<Both, String> {
        let source = Parsed::new(text).map_err(|e| format!("the front door says {e}"))?;
        let info = checked(&source.module).map_err(|e| format!("the source: {e}"))?;
        let made = derive(&source.module, &info, source.loss, inputs);
        let made = made.map_err(|e| format!("no derivative: {}", e.what))?;
        checked(&made.module).map_err(|e| format!("the derivative: {e}"))?;
        let options = source.settings.iter().filter_map(|s| s.default);
        Ok(Both {
            derived: Parsed {
                text: source.text.clone(),
                module: made.module,
                loss: source.loss,
                parameters: source.parameters.clone(),
                rows: None,
                settings: source.settings.clone(),
            },
            function: made.function,
            options: options.collect(),
            source,
        })
    }

    /// The text that stands in a kernel, with a variable for each option, and names beginning with `prefix`.
    fn emitted(&self, prefix: &str) -> Result<String, String> {
        let option = |k| format!("{prefix}option{k}");
        let text = super::emit::text(&self.derived.module, prefix, option)?;
        // The names without.
        let text = text.replace(UNIT_LOG, &format!("{prefix}{UNIT_LOG}"));
        let mut text = text.replace("fn loss_change(", &format!("fn {prefix}loss_change_("));
        let machine = Machine::new(&self.source, &self.options).map_err(|e| e.to_string())?;
        for (setting, v) in self.source.settings.iter().zip(machine.settings()) {
            let name = option(setting.handle.index());
            let (ty, v) = match setting.kind {
                Kind::F32 => ("f32", format!("{:?}", v as f32)),
                Kind::I32 => ("i32", format!("{v}")),
                Kind::U32 => ("u32", format!("{v}")),
                Kind::Bool => ("bool", format!("{}", v == 1.0)),
            };
            text += &format!("var<private> {name}: {ty} = {ty}({v});\n");
        }
        Ok(text)
    }
}

/// The same cases in every run.
fn runner(cases: u32, seed: u8) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    TestRunner::new_with_rng(config, rng)
}
