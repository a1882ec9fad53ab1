//! Writing to standard output and standard error, without the panics of `println!`.

use super::error::Failure;
use super::files::one_line;
use serde_json::Value;
use std::io::{self, Write};

/// Writes `text` and a newline to standard output. A reader that has gone away has seen enough.
pub fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Stdout(e)),
        _ => Ok(()),
    }
}

/// Writes an object to standard output.
pub fn json(value: &Value) -> Result<(), Failure> {
    out(&format!("{value:#}"))
}

/// Writes one line to standard error.
pub fn note(text: &str) {
    // There is nowhere left to report that this failed.
    let _ = writeln!(io::stderr().lock(), "{}", one_line(text));
}

/// A number in JSON, which has none that are not finite.
pub fn number(v: f64) -> Value {
    match v {
        v if v.is_finite() => v.into(),
        v if v.is_nan() => "NaN".into(),
        v if v > 0.0 => "inf".into(),
        _ => "-inf".into(),
    }
}

/// Lines of cells in columns as wide as they have to be; but for the last column, which is not padded.
pub fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .enumerate()
            .map(|(i, c)| match i + 1 < row.len() {
                true => format!("{c:<0$}  ", width(i)),
                false => c.clone(),
            });
        cells.collect::<String>().trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
