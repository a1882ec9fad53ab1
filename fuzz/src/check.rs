//! What is done with an input: by the fuzz targets, and by the tests of the crate with the inputs that are kept.

use std::fs;
use std::path::Path;
use wgloss::cli::files::{FileError, read};
use wgloss::loss::{Loss, OptionValue, TargetKind};
use wgloss::{Batch, Custom, Error, Reduction, Target, reference};

/// An error says what is wrong in one line, without anything that moves a cursor.
fn told(line: &str) {
    assert!(!line.is_empty(), "an error without words");
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!line.contains(odd), "{line:?}");
}

/// How much memory a file of so many bytes may take: an array twice, as the file has it and in another order, each byte of an archive unpacked
/// to as many as deflate packs into one, or as is believed at the most; and some buffers.
pub fn most(ending: &str, len: usize) -> usize {
    let unpacked = match ending {
        ".npz" => (1032 * len).min((128 * len).max(1 << 30)),
        _ => len,
    };
    (1 << 20) + 64 * len + 2 * unpacked
}

/// What a text of a loss may take, which it is evaluated in.
pub const MOST_OF_A_LOSS: usize = 256 << 20;

/// Reads `bytes` from a file with this ending in `dir`: the only array, then those by the keys that the error lists.
pub fn array(dir: &Path, ending: &str, bytes: &[u8]) {
    let path = dir.join(format!("a{ending}"));
    fs::write(&path, bytes).expect("a file for the input");
    let spec = path.display().to_string();
    let mut keys = one(&spec);
    keys.truncate(3);
    for key in keys {
        one(&format!("{spec}:{key}"));
    }
}

/// Reads one array, and returns the keys that there are instead.
fn one(spec: &str) -> Vec<String> {
    match read(spec) {
        Ok(array) => {
            let product = |n: usize, &d: &usize| n.checked_mul(d);
            let elements = array.shape.iter().try_fold(1, product);
            assert_eq!(elements, Some(array.data.len()), "{:?}", array.shape);
            Vec::new()
        }
        Err(error) => {
            told(&error.to_string());
            match error {
                FileError::MissingKey { keys, .. } => keys,
                _ => Vec::new(),
            }
        }
    }
}

/// Numbers of every kind that there is.
const NUMBERS: [f32; 6] = [0.5, -1.25, 0.0, 3e38, -1e-40, 7.0];

/// Takes a text for a loss. What passes has a derivative, takes the values that its options have, and is evaluated, with all bounds:
/// to numbers, or to an error that says where it cannot be.
pub fn loss(text: &str) -> Option<Custom> {
    let mut loss = match Custom::new("own", text) {
        Ok(loss) => loss,
        Err(Error::Source { name, error }) => {
            told(&format!("{name}:{error}"));
            let lines = text.lines().count().max(1) as u32;
            assert!((1..=lines + 1).contains(&error.line), "{error:?}");
            assert!(error.column >= 1, "{error:?}");
            return None;
        }
        Err(other) => panic!("{other:?}"),
    };
    evaluated(&loss);
    let options = loss.info().options.iter().zip(loss.options());
    let options: Vec<_> = options.map(|(o, v)| (o.name, v)).collect();
    for (name, value) in options {
        let other = match value {
            OptionValue::Number(v) => OptionValue::Number(v - 1.0),
            OptionValue::Flag(v) => OptionValue::Flag(!v),
            other => other,
        };
        match loss.set(name, other) {
            Ok(()) => {}
            Err(error @ Error::OptionValue { .. }) => told(&error.to_string()),
            Err(other) => panic!("{other:?}"),
        }
    }
    evaluated(&loss);
    Some(loss)
}

fn evaluated(loss: &Custom) {
    let info = loss.info();
    let mut batch = Batch::new([2, 3], NUMBERS.to_vec()).reduction(Reduction::None);
    for _ in 1..info.inputs.len() {
        batch = batch.input(vec![0.25f32; 6]);
    }
    batch.target = match info.target {
        TargetKind::None => None,
        TargetKind::Values | TargetKind::PerRow => Some(Target::Values(vec![1.0f32; 6].into())),
        TargetKind::Labels | TargetKind::LabelsOrValues => {
            Some(Target::Labels(vec![2i64, 0].into()))
        }
    };
    match reference::evaluate_with_bounds(loss, &batch) {
        Ok((found, bounds)) => {
            let lengths = |o: &wgloss::Outcome<f64>| {
                let grads = o.grads.iter().map(Vec::len);
                (o.losses.len(), grads.collect::<Vec<_>>())
            };
            assert_eq!(lengths(&found), lengths(&bounds));
            assert!(found.grads.iter().all(|g| g.len() == 6));
        }
        Err(error) => told(&error.to_string()),
    }
}
