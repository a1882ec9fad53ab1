//! Metrics as pictures: the confusion matrix, curves, and how good probabilities are.

use super::canvas::{Area, COLOURS, Drawn, FAINT, GRID, INK, Scene, letters, number, stroke};
use crate::metric::{
    Binary, BinaryFigures, CALIBRATION_BINS, CalibrationBin, Cells, ConfusionMatrix,
    MulticlassFigures, MultilabelFigures, Normalize,
};
use crate::report::{self, Graph};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width and height, in units of an SVG.
const SIZE: (u32, u32) = (560, 560);
/// Left, right, above and below the plane.
const MARGIN: [f64; 4] = [70.0, 24.0, 104.0, 56.0];

/// Up to so many classes a cell says its number, and up to so many have their names beside it.
const NUMBERED: usize = 12;
const NAMED: usize = 40;

/// One picture.
#[derive(Debug, Clone)]
pub struct Drawing {
    name: &'static str,
    title: String,
    across: &'static str,
    up: &'static str,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Matrix {
        matrix: ConfusionMatrix,
        names: Vec<String>,
    },
    Graph(Graph),
    Reliability(Vec<CalibrationBin>),
}

fn matrix(m: &ConfusionMatrix, accuracy: Option<f64>, names: &[String]) -> Drawing {
    let share = accuracy.map_or(String::new(), |a| format!(", accuracy {a:.4}"));
    Drawing {
        name: "confusion_matrix",
        title: format!("Confusion matrix{share}"),
        across: "predicted",
        up: "truth",
        what: What::Matrix {
            matrix: m.clone(),
            names: (0..m.classes()).map(|c| report::name(names, c)).collect(),
        },
    }
}

/// Of two classes the probability is that of the positive one, of several that of the predicted one.
fn reliability(
    bins: &Option<Vec<CalibrationBin>>,
    ece: Option<f64>,
    [across, up]: [&'static str; 2],
) -> Option<Drawing> {
    let bins = bins.clone()?;
    let ece = ece.map_or(String::new(), |e| format!(", ECE {e:.4}"));
    Some(Drawing {
        name: "reliability",
        title: format!("Reliability{ece}"),
        across,
        up,
        what: What::Reliability(bins),
    })
}

/// The pictures of two classes.
pub fn binary(f: &BinaryFigures, asked: &Binary, names: &[String]) -> Vec<Drawing> {
    let mut all = vec![matrix(&f.confusion_matrix, f.accuracy, names)];
    all.extend(report::binary_graphs(f, asked).into_iter().map(graph));
    all.extend(reliability(
        &f.calibration,
        f.ece,
        ["mean probability in a bin", "fraction of positives"],
    ));
    all
}

/// The pictures of several classes.
pub fn multiclass(f: &MulticlassFigures, names: &[String]) -> Vec<Drawing> {
    let mut all = vec![matrix(&f.confusion_matrix, f.accuracy, names)];
    all.extend(report::multiclass_graphs(f, names).into_iter().map(graph));
    all.extend(reliability(
        &f.calibration,
        f.ece,
        [
            "mean highest probability in a bin",
            "fraction predicted right",
        ],
    ));
    all
}

/// The curves of several labels.
pub fn multilabel(f: &MultilabelFigures, names: &[String]) -> Vec<Drawing> {
    let graphs = report::multilabel_graphs(f, names);
    graphs.into_iter().map(graph).collect()
}

fn graph(graph: Graph) -> Drawing {
    Drawing {
        name: graph.name,
        title: graph.title.clone(),
        across: graph.across,
        up: graph.up,
        what: What::Graph(graph),
    }
}

impl Scene for Drawing {
    fn name(&self) -> &str {
        self.name
    }

    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<B: DrawingBackend>(&self, root: &Area<B>, k: f64) -> Drawn<B> {
        let plane = Plane { k };
        root.draw_text(&self.title, &letters(19.0, k, &INK), plane.dots(18.0, 14.0))?;
        match &self.what {
            What::Matrix { matrix, names } => heat(root, &plane, matrix, names)?,
            What::Graph(graph) => {
                axes(root, &plane)?;
                lines(root, &plane, graph)?;
            }
            What::Reliability(bins) => {
                axes(root, &plane)?;
                bars(root, &plane, bins, self.up)?;
            }
        }
        let middle = |v: VPos| Pos::new(HPos::Center, v);
        let text = letters(14.0, k, &INK).pos(middle(VPos::Bottom));
        let (across, up) = (f64::from(SIZE.0), f64::from(SIZE.1));
        root.draw_text(self.across, &text, plane.dots(across / 2.0, up - 10.0))?;
        let text = letters(14.0, k, &INK)
            .transform(FontTransform::Rotate270)
            .pos(middle(VPos::Top));
        let center = MARGIN[2] + (up - MARGIN[2] - MARGIN[3]) / 2.0;
        root.draw_text(self.up, &text, plane.dots(10.0, center))
    }
}

/// The square from 0 to 1 in both directions.
struct Plane {
    k: f64,
}

impl Plane {
    fn dots(&self, x: f64, y: f64) -> (i32, i32) {
        ((x * self.k).round() as i32, (y * self.k).round() as i32)
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let [left, right, above, below] = MARGIN;
        let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
        self.dots(
            left + x * (width - left - right),
            height - below - y * (height - above - below),
        )
    }

    fn line(&self, units: f64) -> u32 {
        (units * self.k).round() as u32
    }
}

fn axes<B: DrawingBackend>(root: &Area<B>, plane: &Plane) -> Drawn<B> {
    let text = letters(13.0, plane.k, &INK);
    for tick in 0..=5 {
        let v = f64::from(tick) / 5.0;
        let grid = GRID.stroke_width(plane.line(1.0));
        root.draw(&PathElement::new(
            [plane.at((v, 0.0)), plane.at((v, 1.0))],
            grid,
        ))?;
        root.draw(&PathElement::new(
            [plane.at((0.0, v)), plane.at((1.0, v))],
            grid,
        ))?;
        let (x, y) = plane.at((v, 0.0));
        let below = text.clone().pos(Pos::new(HPos::Center, VPos::Top));
        root.draw_text(&number(v), &below, (x, y + plane.line(7.0) as i32))?;
        let (x, y) = plane.at((0.0, v));
        let beside = text.clone().pos(Pos::new(HPos::Right, VPos::Center));
        root.draw_text(&number(v), &beside, (x - plane.line(8.0) as i32, y))?;
    }
    Ok(())
}

fn frame<B: DrawingBackend>(root: &Area<B>, plane: &Plane) -> Drawn<B> {
    let corners = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)];
    let corners: Vec<_> = corners.into_iter().map(|p| plane.at(p)).collect();
    root.draw(&PathElement::new(
        corners,
        FAINT.stroke_width(plane.line(1.0)),
    ))
}

/// Points a dot or more apart; more of them cannot be seen.
fn visible(points: &[(f64, f64)], plane: &Plane) -> Vec<(i32, i32)> {
    let mut out: Vec<(i32, i32)> = Vec::new();
    for &p in points {
        let at = plane.at(p);
        if out.last() != Some(&at) {
            out.push(at);
        }
    }
    out
}

fn lines<B: DrawingBackend>(root: &Area<B>, plane: &Plane, graph: &Graph) -> Drawn<B> {
    let k = plane.k;
    let Graph { curves, marks, .. } = graph;
    frame(root, plane)?;
    if let Some(ends) = graph.chance {
        stroke(root, k, ends.map(|p| plane.at(p)).to_vec(), FAINT, 1)?;
    }
    for (i, curve) in curves.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let points = visible(&curve.points, plane);
        stroke(root, k, points, colour, i / COLOURS.len())?;
    }
    for (i, mark) in marks.iter().enumerate() {
        let at = plane.at(mark.at);
        let colour = COLOURS[(i + 1) % COLOURS.len()];
        root.draw(&Circle::new(at, plane.line(6.0), WHITE.filled()))?;
        root.draw(&Circle::new(at, plane.line(5.0), colour.filled()))?;
    }
    // What is what, in lines below the title; a curve with a stroke, a mark with a dot.
    let style = letters(13.0, k, &INK).pos(Pos::new(HPos::Left, VPos::Center));
    let (mut x, mut y) = (18.0, 48.0);
    let entries = curves.iter().enumerate().map(|(i, c)| (&c.label, i, true));
    let entries = entries.chain(
        marks
            .iter()
            .enumerate()
            .map(|(i, m)| (&m.label, i + 1, false)),
    );
    for (label, colour, line) in entries {
        let width = 1.15 * f64::from(root.estimate_text_size(label, &style)?.0) / k;
        if x > 18.0 && x + 28.0 + width > f64::from(SIZE.0) - 12.0 {
            (x, y) = (18.0, y + 17.0);
        }
        let dash = colour / COLOURS.len();
        let colour = COLOURS[colour % COLOURS.len()];
        match line {
            true => {
                let ends = vec![plane.dots(x, y), plane.dots(x + 20.0, y)];
                stroke(root, k, ends, colour, dash)?;
            }
            false => {
                let dot = plane.dots(x + 10.0, y);
                root.draw(&Circle::new(dot, plane.line(5.0), colour.filled()))?;
            }
        }
        root.draw_text(label, &style, plane.dots(x + 26.0, y + 2.0))?;
        x += 26.0 + width + 14.0;
    }
    Ok(())
}

/// Between white and the colour of the first curve.
fn shade(share: f64) -> RGBColor {
    let full = COLOURS[0];
    let mix = |c: u8| (255.0 + (f64::from(c) - 255.0) * share.clamp(0.0, 1.0)).round() as u8;
    RGBColor(mix(full.0), mix(full.1), mix(full.2))
}

/// A cell's colour is its share of its row: what became of a class, however many samples it has.
fn heat<B: DrawingBackend>(
    root: &Area<B>,
    plane: &Plane,
    matrix: &ConfusionMatrix,
    names: &[String],
) -> Drawn<B> {
    let n = matrix.classes();
    let side = 1.0 / n as f64;
    let shares = matrix.normalized(Normalize::Row);
    let size = (150.0 / n as f64).clamp(7.0, 15.0);
    // The first class at the top.
    let corner = |r: usize, c: usize| plane.at((c as f64 * side, 1.0 - r as f64 * side));
    for r in 0..n {
        for c in 0..n {
            let share = shares[r * n + c];
            let (from, to) = (corner(r, c), corner(r + 1, c + 1));
            root.draw(&Rectangle::new([from, to], shade(share).filled()))?;
            if n > NUMBERED {
                continue;
            }
            let count = match matrix.cells() {
                Cells::Counts(cells) => cells[r * n + c].to_string(),
                Cells::Weights(cells) => number((cells[r * n + c] * 100.0).round() / 100.0),
            };
            let colour = if share > 0.55 { WHITE } else { INK };
            let text =
                |size: f64, v: VPos| letters(size, plane.k, &colour).pos(Pos::new(HPos::Center, v));
            let middle = ((from.0 + to.0) / 2, (from.1 + to.1) / 2);
            if share == 0.0 {
                root.draw_text(&count, &text(size, VPos::Center), middle)?;
                continue;
            }
            root.draw_text(&count, &text(size, VPos::Bottom), middle)?;
            let percent = format!("{:.1} %", 100.0 * share);
            root.draw_text(&percent, &text(0.75 * size, VPos::Top), middle)?;
        }
    }
    frame(root, plane)?;
    let every = n.div_ceil(NAMED).max(1);
    let text = letters((300.0 / n as f64).clamp(8.0, 13.0), plane.k, &INK);
    for c in (0..n).step_by(every) {
        let name = shortened(&names[c]);
        let (x, y) = plane.at(((c as f64 + 0.5) * side, 0.0));
        let below = text.clone().pos(Pos::new(HPos::Center, VPos::Top));
        root.draw_text(&name, &below, (x, y + plane.line(7.0) as i32))?;
        let (x, y) = plane.at((0.0, 1.0 - (c as f64 + 0.5) * side));
        let beside = text.clone().pos(Pos::new(HPos::Right, VPos::Center));
        root.draw_text(&name, &beside, (x - plane.line(7.0) as i32, y))?;
    }
    let note = "colour and percentage: share of the true class";
    let style = letters(13.0, plane.k, &FAINT);
    root.draw_text(note, &style, plane.dots(18.0, 44.0))
}

/// A name that fits beside a matrix.
fn shortened(name: &str) -> String {
    match name.chars().count() > 9 {
        true => name.chars().take(8).chain(['…']).collect(),
        false => name.to_string(),
    }
}

/// A bar for each bin as high as what `up` calls its share, a dot at its mean probability, and how many samples it has.
fn bars<B: DrawingBackend>(
    root: &Area<B>,
    plane: &Plane,
    bins: &[CalibrationBin],
    up: &str,
) -> Drawn<B> {
    let whole: f64 = bins.iter().map(|b| b.weight).sum();
    let width = 1.0 / CALIBRATION_BINS as f64;
    let there = |b: &&(usize, &CalibrationBin)| b.1.weight > 0.0;
    let numbered: Vec<_> = bins.iter().enumerate().collect();
    for (i, bin) in numbered.iter().filter(there) {
        let left = *i as f64 * width;
        let share = bin.hits / bin.weight;
        let corners = [plane.at((left, share)), plane.at((left + width, 0.0))];
        root.draw(&Rectangle::new(corners, shade(0.35).filled()))?;
        let corners = [
            plane.at((left, bin.weight / whole)),
            plane.at((left + width, 0.0)),
        ];
        root.draw(&Rectangle::new(corners, shade(0.75).filled()))?;
        root.draw(&Rectangle::new(
            [plane.at((left, share)), plane.at((left + width, 0.0))],
            WHITE.stroke_width(plane.line(1.0)),
        ))?;
    }
    frame(root, plane)?;
    let diagonal = vec![plane.at((0.0, 0.0)), plane.at((1.0, 1.0))];
    stroke(root, plane.k, diagonal, FAINT, 1)?;
    for (_, bin) in numbered.iter().filter(there) {
        let at = plane.at((bin.confidence / bin.weight, bin.hits / bin.weight));
        root.draw(&Circle::new(at, plane.line(5.5), WHITE.filled()))?;
        root.draw(&Circle::new(at, plane.line(4.5), COLOURS[1].filled()))?;
    }
    let note = format!("light: {up}; dark: fraction of all samples; dots: at the mean probability");
    let style = letters(13.0, plane.k, &FAINT);
    root.draw_text(&note, &style, plane.dots(18.0, 44.0))
}
