//! Which figures there are not, and why.

/// A figure that has no value, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undefined {
    /// The figure, as the JSON of the command line names it; parts of it after a dot.
    pub figure: String,
    /// Why it has none.
    pub reason: &'static str,
}

/// Collects what is undefined while figures are worked out.
#[derive(Debug, Default)]
pub(super) struct Notes(pub Vec<Undefined>);

impl Notes {
    /// No value.
    pub fn none<T>(&mut self, figure: impl Into<String>, reason: &'static str) -> Option<T> {
        self.0.push(Undefined {
            figure: figure.into(),
            reason,
        });
        None
    }

    /// `a / b`, unless b is 0.
    pub fn ratio(
        &mut self,
        figure: impl Into<String>,
        a: f64,
        b: f64,
        reason: &'static str,
    ) -> Option<f64> {
        match b == 0.0 {
            true => self.none(figure, reason),
            false => Some(a / b),
        }
    }
}
