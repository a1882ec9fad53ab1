//! What pictures have in common: how a scene becomes an SVG and a PNG, letters, colours, and kinds of lines.

use super::png::encode;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::{FontStyle, TextStyle, register_font};
use std::io;
use std::ops::Range;

/// How many dots are drawn a unit.
const SCALE: u32 = 4;
/// How many of them, in both directions, become a pixel of a PNG: smooth lines and letters.
const DOTS: u32 = 2;

/// What an SVG asks for; the first is drawn into PNGs, from the file below, a part of Open Sans under the Apache licence.
pub const FONT: &str = "Open Sans, DejaVu Sans, sans-serif";
const FONT_FILE: &[u8] = include_bytes!("OpenSans.ttf");

/// The palette of Okabe and Ito, which the colour-blind can tell apart, without its yellow, and two greys.
pub const COLOURS: [RGBColor; 9] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(140, 140, 140),
    RGBColor(150, 80, 40),
];
/// Dash and gap of kinds of lines; the first is solid.
pub const DASHES: [(f64, f64); 5] = [(0.0, 0.0), (9.0, 4.0), (2.5, 3.0), (16.0, 5.0), (6.0, 2.5)];
/// Radius of a dot.
pub const DOT: f64 = 3.0;
pub const INK: RGBColor = RGBColor(40, 40, 40);
pub const FAINT: RGBColor = RGBColor(110, 110, 110);
pub const GRID: RGBColor = RGBColor(228, 228, 228);

pub type Area<B> = DrawingArea<B, Shift>;
pub type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Something to draw.
pub trait Scene {
    /// Of the files, without an ending.
    fn name(&self) -> &str;

    /// Width and height, in units of an SVG.
    fn size(&self) -> (u32, u32);

    /// Draws everything, `k` dots a unit.
    fn draw<B: DrawingBackend>(&self, root: &Area<B>, k: f64) -> Drawn<B>;
}

fn paint<S: Scene, B: DrawingBackend>(scene: &S, root: &Area<B>) -> Drawn<B> {
    // Again for every picture, which changes nothing. A file that is no font would leave all text out.
    let _ = register_font(FONT, FontStyle::Normal, FONT_FILE);
    root.fill(&WHITE)?;
    scene.draw(root, f64::from(SCALE))?;
    root.present()
}

/// The scene as an SVG.
pub fn svg<S: Scene>(scene: &S) -> io::Result<String> {
    let size = scene.size();
    let (width, height) = (size.0 * SCALE, size.1 * SCALE);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        paint(scene, &root).map_err(failure)?;
    }
    // Coordinates are whole numbers, so it is drawn large and shown small.
    let drawn = format!("width=\"{width}\" height=\"{height}\"");
    let shown = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    Ok(text.replacen(&drawn, &shown, 1))
}

/// The scene as a PNG.
pub fn png<S: Scene>(scene: &S) -> io::Result<Vec<u8>> {
    let size = scene.size();
    let (width, height) = (size.0 * SCALE, size.1 * SCALE);
    let mut fine = vec![0; 3 * (width * height) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut fine, (width, height)).into_drawing_area();
        paint(scene, &root).map_err(failure)?;
    }
    let width = (width / DOTS) as usize;
    encode(width, &coarser(&fine, width))
}

fn failure(reason: impl std::fmt::Display) -> io::Error {
    io::Error::other(reason.to_string())
}

/// Letters of `size` units.
pub fn letters(size: f64, k: f64, colour: &RGBColor) -> TextStyle<'static> {
    (FONT, size * k).into_font().color(colour)
}

pub(crate) use crate::report::number;

/// The means of squares of dots.
fn coarser(fine: &[u8], width: usize) -> Vec<u8> {
    let dots = DOTS as usize;
    let line = 3 * width * dots;
    let square = dots * dots;
    let mut out = Vec::with_capacity(fine.len() / square);
    for lines in fine.chunks_exact(line * dots) {
        for at in 0..3 * width {
            let (x, channel) = (at / 3, at % 3);
            let one =
                |y: usize, i: usize| usize::from(lines[y * line + 3 * (x * dots + i) + channel]);
            let sum: usize = (0..square).map(|k| one(k / dots, k % dots)).sum();
            out.push(((sum + square / 2) / square) as u8);
        }
    }
    out
}

/// A line of a colour and kind.
pub fn stroke<B: DrawingBackend>(
    root: &Area<B>,
    k: f64,
    points: Vec<(i32, i32)>,
    colour: RGBColor,
    line: usize,
) -> Drawn<B> {
    let style = colour.stroke_width((2.2 * k).round() as u32);
    for piece in dashed(&points, DASHES[line % DASHES.len()], k) {
        for part in unturned(&piece) {
            root.draw(&PathElement::new(part, style))?;
        }
    }
    Ok(())
}

/// A line in parts that do not turn back: where one does, the corner that a thick line is given there has no end.
fn unturned(points: &[(i32, i32)]) -> Vec<Vec<(i32, i32)>> {
    let mut parts: Vec<Vec<(i32, i32)>> = Vec::new();
    for &point in points {
        let Some(part) = parts.last_mut() else {
            parts.push(vec![point]);
            continue;
        };
        let back = match part.as_slice() {
            [.., last] if *last == point => continue,
            [.., a, b] => {
                let [from, to] = [(a, b), (b, &point)].map(|(a, b)| {
                    let step = |a: i32, b: i32| f64::from(b - a);
                    (step(a.0, b.0), step(a.1, b.1))
                });
                let along = from.0 * to.0 + from.1 * to.1;
                let across = from.0 * to.1 - from.1 * to.0;
                (along < -across.abs()).then_some(*b)
            }
            _ => None,
        };
        match back {
            Some(turn) => parts.push(vec![turn, point]),
            None => part.push(point),
        }
    }
    parts
}

/// What stands for a series in a legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// A line of a kind.
    Line(usize),
    /// A dot.
    Dot,
}

/// A sample of each colour and kind with its label, below the title of a picture that is `across` units wide, in as many lines as it
/// takes. Returns where it ends.
pub fn legend<B: DrawingBackend>(
    root: &Area<B>,
    k: f64,
    across: u32,
    entries: &[(&str, RGBColor, Sample)],
) -> Result<f64, DrawingAreaErrorKind<B::ErrorType>> {
    let style = letters(14.0, k, &INK);
    let (mut x, mut y) = (18.0, 48.0);
    let mut any = false;
    for (label, colour, sample) in entries {
        let (width, _) = root.estimate_text_size(label, &style)?;
        // Room for another font than the one measured.
        let width = 1.2 * f64::from(width) / k;
        if any && x + 40.0 + width > f64::from(across) - 18.0 {
            (x, y) = (18.0, y + 22.0);
        }
        any = true;
        let at = |x: f64| ((x * k).round() as i32, ((y + 5.5) * k).round() as i32);
        match sample {
            Sample::Line(line) => stroke(root, k, vec![at(x), at(x + 32.0)], *colour, *line)?,
            Sample::Dot => {
                let size = (DOT * k).round() as u32;
                root.draw(&Circle::new(at(x + 16.0), size, colour.filled()))?;
            }
        }
        let start = (((x + 40.0) * k).round() as i32, (y * k).round() as i32);
        root.draw_text(label, &style, start)?;
        x += 40.0 + width + 16.0;
    }
    Ok(if any { y + 26.0 } else { y })
}

/// A plane with its grid and the numbers along its sides.
pub type Chart2d<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Axes with a caption above, where there is one.
pub fn axes<'a, B: DrawingBackend>(
    area: &'a Area<B>,
    k: f64,
    caption: Option<&str>,
    across: Range<f64>,
    up: Range<f64>,
) -> Result<Chart2d<'a, B>, DrawingAreaErrorKind<B::ErrorType>> {
    let dots = |units: f64| (units * k).round() as u32;
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_left(dots(8.0))
        .margin_right(dots(18.0))
        .x_label_area_size(dots(24.0))
        .y_label_area_size(dots(48.0));
    if let Some(caption) = caption {
        builder.caption(caption, letters(15.0, k, &INK));
    }
    let mut chart = builder.build_cartesian_2d(across, up)?;
    let number = |v: &f64| number(*v);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(dots(1.0)))
        .axis_style(FAINT.stroke_width(dots(1.0)))
        .label_style(letters(13.0, k, &INK))
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .set_all_tick_mark_size(dots(4.0))
        .draw()?;
    Ok(chart)
}

/// The pieces of a line that are drawn.
fn dashed(points: &[(i32, i32)], (dash, gap): (f64, f64), k: f64) -> Vec<Vec<(i32, i32)>> {
    if dash == 0.0 {
        return vec![points.to_vec()];
    }
    let (dash, gap) = (dash * k, gap * k);
    let mut pieces: Vec<Vec<(i32, i32)>> = Vec::new();
    // How far along the pattern the line has come.
    let mut along = 0.0;
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let (dx, dy) = (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
        let length = dx.hypot(dy);
        let at = |s: f64| {
            let part = s / length;
            let x = f64::from(a.0) + part * dx;
            (
                x.round() as i32,
                (f64::from(a.1) + part * dy).round() as i32,
            )
        };
        let mut done = 0.0;
        while done < length {
            let inside = along < dash;
            let left = if inside { dash } else { dash + gap } - along;
            let step = left.min(length - done);
            if inside {
                if along == 0.0 || pieces.is_empty() {
                    pieces.push(vec![at(done)]);
                }
                if let Some(piece) = pieces.last_mut() {
                    piece.push(at(done + step));
                }
            }
            done += step;
            along += step;
            if along >= dash + gap - 1e-9 {
                along = 0.0;
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::unturned;

    #[test]
    fn lines_are_cut_where_they_turn_back() {
        let steps = [(0, 0), (5, 0), (5, 0), (5, 4), (9, 4)];
        assert_eq!(unturned(&steps), [[(0, 0), (5, 0), (5, 4), (9, 4)]]);
        let down = [(0, 0), (0, 9), (0, 4), (3, 4)];
        let parts = [vec![(0, 0), (0, 9)], vec![(0, 9), (0, 4), (3, 4)]];
        assert_eq!(unturned(&down), parts);
        assert!(unturned(&[]).is_empty());
    }
}
