//! A NaN stays where it is. That f32's edges give what the formula gives is for `verify` to see.

use crate::support::{self, Recipe, Rng};
use wgloss::loss::OptionValue;
use wgloss::verify::check;
use wgloss::{Batch, Family, Reduction, Target, TargetKind, Values, loss};

const ROWS: usize = 3;
/// More than a workgroup of any size.
const COLS: usize = 300;

fn poisoned(values: &Values<'static>, at: usize) -> Values<'static> {
    let mut wide = values.to_f64().into_owned();
    wide[at] = f64::NAN;
    wide.into()
}

/// With one NaN in any tensor, at both ends of a row and on both sides of a workgroup's edge, the losses and gradients of all other
/// rows (of elementwise losses, of all other elements) are what they are without it, to the last bit; and its own are
/// NaN where the formula has it.
#[test]
fn a_nan_poisons_what_depends_on_it_and_nothing_else() {
    let Some(gpu) = support::gpu() else { return };
    for &info in loss::all() {
        let mut loss = info.make();
        if info.family == Family::Sets {
            let flag = OptionValue::Flag(true);
            loss.set("per_row", flag).expect("sets have it");
        }
        let recipe = Recipe {
            labels: *support::targets(info).last().expect("a kind of target"),
            reduction: Reduction::None,
            ..Recipe::new([ROWS, COLS])
        };
        let clean = support::batch(&*loss, &recipe, &mut Rng::new(info.name));
        let before = gpu.loss(&*loss, &clean).expect("an evaluation");
        // The class of the row, which for some is all that counts.
        let class = match &clean.target {
            Some(Target::Labels(labels)) => labels.get(1).and_then(|c| usize::try_from(c).ok()),
            _ => None,
        };
        let columns = [0, 255, 256, COLS - 1].into_iter().chain(class);
        let mut seen = 0;
        for tensor in 0..=info.inputs.len() {
            for column in columns.clone() {
                let at = COLS + column;
                let mut batch: Batch<'static> = clean.clone();
                match (batch.inputs.get_mut(tensor), &mut batch.target) {
                    (Some(input), _) => *input = poisoned(input, at),
                    (None, Some(Target::Values(t))) if info.target == TargetKind::PerRow => {
                        *t = poisoned(t, 1);
                    }
                    (None, Some(Target::Values(t))) => *t = poisoned(t, at),
                    _ => continue,
                }
                let after = gpu.loss(&*loss, &batch).expect("an evaluation");
                let own = |i: usize| match info.family {
                    Family::Elementwise => i == at,
                    _ => i / COLS == 1,
                };
                let of_loss = |i: usize| match info.family {
                    Family::Elementwise => own(i),
                    _ => i == 1,
                };
                let place = format!("{}: tensor {tensor}, column {column}", info.name);
                for (i, (a, b)) in before.losses.iter().zip(&after.losses).enumerate() {
                    let same = a.to_bits() == b.to_bits();
                    assert!(same || of_loss(i), "{place}: loss {i} became {b} from {a}");
                    seen += usize::from(b.is_nan());
                }
                for (a, b) in before.grads.iter().zip(&after.grads) {
                    for (i, (a, b)) in a.iter().zip(b).enumerate() {
                        let same = a.to_bits() == b.to_bits();
                        assert!(same || own(i), "{place}: gradient {i} became {b} from {a}");
                    }
                }
                let check = check(&*loss, &batch, &after).expect("a comparison");
                assert!(check.pass, "{place}: {:?}", check.complaint);
            }
        }
        // Nothing is poisoned by a test that plants nothing.
        assert!(seen > 0, "{}: no NaN came out", info.name);
    }
}
