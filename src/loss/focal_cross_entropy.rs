use super::{Law, Row, RowTerm, Rows, label};
use crate::bounds::{DIV, TINY, U, exp};

loss! {
    /// Softmax cross-entropy on logits, with well-classified rows weighed down.
    FocalCrossEntropy: Rows, "focal_cross_entropy" {
        /// How strongly well-classified rows are weighed down.
        gamma: f32 = 2.0, NonNegative;
        /// Rows with this label count for nothing.
        ignore_index: i64 = -100, Any;
    }
    formula: "−α_y·(1 − p_y)^γ·log p_y, p = softmax(x), α the class weights",
    agrees: "kornia (alpha=None)",
    inputs: ["x"],
    domain: [Logit, Probability],
    target: Labels,
    class_weight: true,
    mean_by_class_weight: false,
}

/// What a row is made of.
struct Parts {
    /// Each class's exponential, relative to the largest.
    e: Vec<f64>,
    max: f64,
    whole: f64,
    /// p_y and 1 − p_y, each a sum of positive numbers.
    p: f64,
    q: f64,
    /// −log p_y, accurate also where p_y is close to 1.
    log: f64,
    /// −log p_y/(1 − p_y)·p_y, which is 1 where the label has all and 0 where it has nothing.
    turn: f64,
}

impl Parts {
    fn new(row: &Row<'_>) -> Self {
        let (x, y) = (row.x[0], label(row));
        let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e: Vec<f64> = x.iter().map(|x| (x - max).exp()).collect();
        let own = e[y];
        let others: f64 = e[..y].iter().chain(&e[y + 1..]).sum();
        let whole = own + others;
        let (p, q) = (own / whole, others / whole);
        let log = match own > others {
            true => (others / own).ln_1p(),
            false => whole.ln() - (x[y] - max),
        };
        let turn = match (p == 0.0, q == 0.0) {
            (true, _) => 0.0,
            (_, true) => 1.0,
            _ => log / q * p,
        };
        Parts {
            e,
            max,
            whole,
            p,
            q,
            log,
            turn,
        }
    }
}

impl Rows for FocalCrossEntropy {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let (y, gamma) = (label(row), f64::from(self.gamma));
        let parts = Parts::new(row);
        let scale = row.weight_of(y) * parts.q.powf(gamma);
        let pull = scale * (1.0 + gamma * parts.turn);
        let grad = parts.e.iter().enumerate().map(|(j, e)| match j == y {
            true => pull * -parts.q,
            false => pull * (e / parts.whole),
        });
        RowTerm {
            loss: scale * parts.log,
            grads: vec![grad.collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let (x, y, gamma) = (row.x[0], label(row), f64::from(self.gamma));
        let Parts {
            e,
            max,
            whole,
            p,
            q,
            log,
            turn,
        } = Parts::new(row);
        let alpha = row.weight_of(y);
        // An exponential of a difference that is itself rounded; all shifts of its merges add up to one. A merge
        // is an exponential (6U), a product and a sum.
        let exps = |x: f64| {
            let shift = (max - x).min(200.0);
            exp(shift) + U * shift
        };
        let shares = || x.iter().zip(&e).enumerate().filter(|(j, _)| *j != y);
        let others = q * whole;
        let e_others = match others > 0.0 {
            true => {
                let each: f64 = shares().map(|(_, (x, e))| e / others * exps(*x)).sum();
                each + (row.merges + 1.0) * 8.0 * U
            }
            false => 0.0,
        };
        let e_own = if x[y] == max { 0.0 } else { exps(x[y]) };
        // q = others/(others + own): an error of either moves it by the other's share.
        let e_q = p * (e_others + e_own) + DIV + U;
        let e_p = q * (e_others + e_own) + DIV + U;
        let e_whole = q * e_others + p * e_own + U;
        // log1p of the others (6U), or the logarithm of the whole (4U) and the distance from the largest, rounded twice. A
        // rounding of the whole itself counts only in the second case.
        let rounding = if x[y] == max { 0.0 } else { U };
        let e_log = q * e_others + p * e_own + rounding + 7.0 * U * log;
        // q^γ is wrong by γ times as much as q, and 10U + 9|γ·log q|U of its own.
        let power = q.powf(gamma);
        let e_power = gamma * e_q + (9.0 * gamma * q.max(TINY).ln().abs() + 10.0) * U;
        let scale = alpha * power;
        // Of every other class an exponential may be flushed.
        let flushed = x.len() as f64 * TINY;
        let loss = scale * (log * (e_power + 3.0 * U) + e_log) + alpha * (TINY * log + flushed);
        let pull = scale * (1.0 + gamma * turn);
        // turn = log/q·p; the error of log relative to q stays finite, since log is never below q.
        let from_log = if q > 0.0 { e_log / q * p } else { 0.0 };
        let e_turn = turn * (e_q + e_p + DIV + 2.0 * U) + from_log;
        let e_pull = pull * (e_power + 3.0 * U) + scale * gamma * e_turn;
        let grad = x.iter().zip(&e).enumerate().map(|(j, (x, e))| {
            let (size, relative) = match j == y {
                true => (q, e_q),
                false => (e / whole, exps(*x) + e_whole + DIV + U),
            };
            size * (e_pull + pull * (relative + 2.0 * U)) + alpha * (1.0 + gamma) * (TINY + flushed)
        });
        RowTerm {
            loss,
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Columns, Law::Shift(&[0])]
    }
}
