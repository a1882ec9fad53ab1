//! Metrics and series of numbers as pictures, each as SVG and as PNG.
//!
//! What [`metric`](mod@crate::metric) works out is drawn by [`binary`], [`multiclass`] and [`multilabel`]: the confusion matrix, the ROC and
//! precision-recall curves and the reliability diagram, of those there are. Curves need figures of the reference: a device keeps none.
//! A [`Chart`] draws anything else over one axis, such as samples with the lines that were fitted to them.
//!
//! ```
//! use wgloss::metric::{Binary, InputKind, Samples};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let samples = Samples::new([5], &[2.1f32, -0.3, 0.4, 1.7, -2.2]).labels(&[1i64, 0, 0, 1, 1]);
//! let asked = Binary { input: InputKind::Logits, ..Default::default() };
//! let pictures = wgloss::plot::binary(&asked.figures(&samples)?, &asked, &[]);
//! let names: Vec<_> = pictures.iter().map(|p| p.name()).collect();
//! assert_eq!(names, ["confusion_matrix", "roc", "precision_recall", "reliability"]);
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! for picture in &pictures {
//!     picture.save(dir.join(picture.name()))?; // roc.svg and roc.png
//! }
//! # Ok(()) }
//! ```

pub(crate) mod canvas;
mod chart;
mod metrics;
mod png;

pub use chart::{Chart, Marker, Series};

use crate::metric::{Binary, BinaryFigures, MulticlassFigures, MultilabelFigures};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// Something that can be drawn.
#[derive(Debug, Clone)]
pub struct Picture(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Metric(metrics::Drawing),
    Chart(Chart),
}

impl Picture {
    /// What it shows, in letters that suit a file's name: `confusion_matrix`, `roc`, `precision_recall`, `reliability`, or what a
    /// chart is called.
    pub fn name(&self) -> &str {
        use canvas::Scene;
        match &self.0 {
            Kind::Metric(drawing) => drawing.name(),
            Kind::Chart(chart) => chart.name(),
        }
    }

    /// The picture as the text of an SVG file.
    ///
    /// # Errors
    /// Where the drawing library reports one.
    pub fn svg(&self) -> io::Result<String> {
        match &self.0 {
            Kind::Metric(drawing) => canvas::svg(drawing),
            Kind::Chart(chart) => canvas::svg(chart),
        }
    }

    /// The picture as the bytes of a PNG file.
    ///
    /// # Errors
    /// Where the drawing library reports one.
    pub fn png(&self) -> io::Result<Vec<u8>> {
        match &self.0 {
            Kind::Metric(drawing) => canvas::png(drawing),
            Kind::Chart(chart) => canvas::png(chart),
        }
    }

    /// Writes `STEM.svg` and `STEM.png`, over what is there. The folder is made if it is not there.
    ///
    /// # Errors
    /// Where drawing or writing fails.
    pub fn save(&self, stem: impl AsRef<Path>) -> io::Result<()> {
        let stem = stem.as_ref();
        if let Some(dir) = stem.parent() {
            fs::create_dir_all(dir)?;
        }
        let file = |ending: &str| {
            // A name may have points of its own, which are no ending.
            let mut file = OsString::from(stem);
            file.push(ending);
            file
        };
        fs::write(file(".svg"), self.svg()?)?;
        fs::write(file(".png"), self.png()?)
    }
}

impl From<Chart> for Picture {
    fn from(chart: Chart) -> Self {
        Picture(Kind::Chart(chart))
    }
}

fn pictures(drawings: Vec<metrics::Drawing>) -> Vec<Picture> {
    let all = drawings.into_iter();
    all.map(|drawing| Picture(Kind::Metric(drawing))).collect()
}

/// The pictures of two classes, with the operating points that were asked for. `names` are of the two classes; their numbers where
/// there are none.
pub fn binary(figures: &BinaryFigures, asked: &Binary, names: &[String]) -> Vec<Picture> {
    pictures(metrics::binary(figures, asked, names))
}

/// The pictures of several classes. `names` are of the classes; their numbers where there are none.
pub fn multiclass(figures: &MulticlassFigures, names: &[String]) -> Vec<Picture> {
    pictures(metrics::multiclass(figures, names))
}

/// The curves of several labels. `names` are of the labels; their numbers where there are none.
pub fn multilabel(figures: &MultilabelFigures, names: &[String]) -> Vec<Picture> {
    pictures(metrics::multilabel(figures, names))
}
