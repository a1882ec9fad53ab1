//! Draws a picture, once for SVG and once for PNG.

use super::curves::{Curve, Picture, Point};
use super::png::encode;
use crate::cli::error::Failure;
use crate::cli::files::FileError;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::io;
use std::ops::Range;

/// Width and height, in units of an SVG.
const SIZE: (u32, u32) = (960, 470);
/// How many dots are drawn a unit.
const SCALE: u32 = 4;
/// How many of them, in both directions, become a pixel of a PNG: smooth lines and letters.
const DOTS: u32 = 2;

/// What an SVG asks for; the first is drawn into PNGs, from the file below, a part of Open Sans under the Apache licence.
const FONT: &str = "Open Sans, DejaVu Sans, sans-serif";
const FONT_FILE: &[u8] = include_bytes!("OpenSans.ttf");

/// The palette of Okabe and Ito, which the colour-blind can tell apart, without its yellow, and two greys.
const COLOURS: [RGBColor; 9] = [
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
const DASHES: [(f64, f64); 5] = [(0.0, 0.0), (9.0, 4.0), (2.5, 3.0), (16.0, 5.0), (6.0, 2.5)];
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(228, 228, 228);

/// The picture as an SVG.
pub fn svg(picture: &Picture) -> Result<String, Failure> {
    let (width, height) = (SIZE.0 * SCALE, SIZE.1 * SCALE);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        draw(&root, f64::from(SCALE), picture).map_err(|e| failure(picture, e))?;
    }
    // Coordinates are whole numbers, so it is drawn large and shown small.
    let drawn = format!("width=\"{width}\" height=\"{height}\"");
    let shown = format!("width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1);
    Ok(text.replacen(&drawn, &shown, 1))
}

/// The picture as a PNG.
pub fn png(picture: &Picture) -> Result<Vec<u8>, Failure> {
    let (width, height) = (SIZE.0 * SCALE, SIZE.1 * SCALE);
    let mut fine = vec![0; 3 * (width * height) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut fine, (width, height)).into_drawing_area();
        draw(&root, f64::from(SCALE), picture).map_err(|e| failure(picture, e))?;
    }
    let width = (width / DOTS) as usize;
    encode(width, &coarser(&fine, width)).map_err(|e| failure(picture, e))
}

fn failure(picture: &Picture, reason: impl std::fmt::Display) -> Failure {
    Failure::File(FileError::Io {
        file: picture.name.clone(),
        action: "draw the picture",
        reason: io::Error::other(reason.to_string()),
    })
}

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

type Area<'a, B> = DrawingArea<B, Shift>;
type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Everything, `k` dots a unit.
fn draw<B: DrawingBackend>(root: &DrawingArea<B, Shift>, k: f64, picture: &Picture) -> Drawn<B> {
    // Again for every picture, which changes nothing. A file that is no font would leave all text out.
    let _ = register_font(FONT, FontStyle::Normal, FONT_FILE);
    root.fill(&WHITE)?;
    let dots = |units: f64| (units * k).round() as i32;
    let text = |size: f64, colour: &RGBColor| (FONT, size * k).into_font().color(colour);
    root.draw_text(&picture.title, &text(19.0, &INK), (dots(18.0), dots(14.0)))?;
    let below = legend(root, k, picture)?;
    let (_, rest) = root.split_vertically(dots(below));
    let (panels, foot) = rest.split_vertically(rest.dim_in_pixel().1 as i32 - dots(30.0));
    let middle = Pos::new(HPos::Center, VPos::Top);
    foot.draw_text(
        &picture.axis,
        &text(14.0, &INK).pos(middle),
        (dots(f64::from(SIZE.0) / 2.0), dots(4.0)),
    )?;
    let (left, right) = panels.split_horizontally(dots(f64::from(SIZE.0) / 2.0));
    panel(&left, k, "loss", picture, |p| p.loss)?;
    let by = format!("derivative: d loss / d {}", picture.by);
    panel(&right, k, &by, picture, |p| p.slope)?;
    root.present()
}

/// A sample of each colour and of each kind of line with its name, in as many lines as it takes. Returns where it ends.
fn legend<B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    k: f64,
    picture: &Picture,
) -> Result<f64, DrawingAreaErrorKind<B::ErrorType>> {
    // Of a family every loss has a colour and a kind of line of its own.
    let own = picture.lines.is_empty();
    let colours = picture.colours.iter().enumerate().map(|(i, label)| {
        let curve = picture.curves.iter().find(|c| c.colour == Some(i));
        let line = if own { curve.map_or(0, |c| c.line) } else { 0 };
        (label, colour(Some(i)), line)
    });
    // Kinds of lines in the colour of all curves, or in none.
    let plain = match picture.colours.is_empty() {
        true => colour(Some(0)),
        false => FAINT,
    };
    let lines = picture.lines.iter().enumerate();
    let lines = lines.map(|(i, label)| (label, plain, i));
    let style = (FONT, 14.0 * k).into_font().color(&INK);
    let (mut x, mut y) = (18.0, 48.0);
    let mut any = false;
    for (label, colour, line) in colours.chain(lines) {
        let (width, _) = root.estimate_text_size(label, &style)?;
        // Room for another font than the one measured.
        let width = 1.2 * f64::from(width) / k;
        if any && x + 40.0 + width > f64::from(SIZE.0) - 18.0 {
            (x, y) = (18.0, y + 22.0);
        }
        any = true;
        let at = |x: f64| ((x * k).round() as i32, ((y + 5.5) * k).round() as i32);
        stroke(root, k, vec![at(x), at(x + 32.0)], colour, line)?;
        let start = (((x + 40.0) * k).round() as i32, (y * k).round() as i32);
        root.draw_text(label, &style, start)?;
        x += 40.0 + width + 16.0;
    }
    Ok(if any { y + 26.0 } else { y })
}

fn colour(which: Option<usize>) -> RGBColor {
    which.map_or(FAINT, |i| COLOURS[i % COLOURS.len()])
}

/// A line of a colour and kind.
fn stroke<B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    k: f64,
    points: Vec<(i32, i32)>,
    colour: RGBColor,
    line: usize,
) -> Drawn<B> {
    let style = colour.stroke_width((2.2 * k).round() as u32);
    for piece in dashed(&points, DASHES[line % DASHES.len()], k) {
        root.draw(&PathElement::new(piece, style))?;
    }
    Ok(())
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

/// One set of axes with a caption above, and the curves of `value`.
fn panel<B: DrawingBackend>(
    area: &Area<'_, B>,
    k: f64,
    caption: &str,
    picture: &Picture,
    value: fn(&Point) -> f64,
) -> Drawn<B> {
    let dots = |units: f64| (units * k).round() as u32;
    let style = |size: f64, colour: &RGBColor| (FONT, size * k).into_font().color(colour);
    let across = picture.range.0..picture.range.1;
    let up = upright(&picture.curves, value);
    let mut chart = ChartBuilder::on(area)
        .margin_left(dots(8.0))
        .margin_right(dots(18.0))
        .caption(caption, style(15.0, &INK))
        .x_label_area_size(dots(24.0))
        .y_label_area_size(dots(48.0))
        .build_cartesian_2d(across, up.clone())?;
    let number = |v: &f64| {
        // The nearest of few digits: 0.30000000000000004 is 0.3; and no −0.
        let v = (v * 1e6).round() / 1e6 + 0.0;
        v.to_string().replace('-', "−")
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(dots(1.0)))
        .axis_style(FAINT.stroke_width(dots(1.0)))
        .label_style(style(13.0, &INK))
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .set_all_tick_mark_size(dots(4.0))
        .draw()?;
    // The line through 0, where it is not the edge.
    let plane = chart.plotting_area();
    let sides = plane.get_x_range();
    if up.start < 0.0 && up.end > 0.0 {
        let zero = vec![(sides.start, 0.0), (sides.end, 0.0)];
        plane.draw(&PathElement::new(zero, FAINT.stroke_width(dots(1.0))))?;
    }
    let pixel = |&(x, y): &(f64, f64)| {
        let (x, y) = plane.map_coordinate(&(x, y));
        let (left, top) = area.get_base_pixel();
        (x - left, y - top)
    };
    for curve in &picture.curves {
        for piece in inside(&curve.points, &up, value) {
            let points = piece.iter().map(pixel).collect();
            stroke(area, k, points, colour(curve.colour), curve.line)?;
        }
    }
    Ok(())
}

/// From the least to the largest, at least a little.
fn spread(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
    match low < high {
        true => low..high,
        false if low.is_finite() => low - 1.0..high + 1.0,
        false => 0.0..1.0,
    }
}

/// What the vertical axis shows: 0 and all of the curves, but where few points run far away from the others, only the
/// others.
fn upright(curves: &[Curve], value: fn(&Point) -> f64) -> Range<f64> {
    let all = curves.iter().flat_map(|c| c.points.iter().map(value));
    let mut all: Vec<f64> = all.filter(|v| v.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    let at = |part: f64| all.get((part * all.len().saturating_sub(1) as f64) as usize);
    let (Some(&least), Some(&low), Some(&high), Some(&most)) =
        (at(0.0), at(0.05), at(0.95), at(1.0))
    else {
        return 0.0..1.0;
    };
    let room = high - low;
    let low = if least < low - room {
        low - 0.2 * room
    } else {
        least
    };
    let high = if most > high + room {
        high + 0.2 * room
    } else {
        most
    };
    let range = spread([0.0, low, high].into_iter());
    let pad = 0.04 * (range.end - range.start);
    range.start - pad..range.end + pad
}

/// The parts of a curve that are between the bounds, cut where they cross them.
fn inside(points: &[Point], up: &Range<f64>, value: fn(&Point) -> f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for pair in points.windows(2) {
        let (a, b) = ((pair[0].at, value(&pair[0])), (pair[1].at, value(&pair[1])));
        let cut = if a.1.is_finite() && b.1.is_finite() {
            clip(a, b, up)
        } else {
            None
        };
        let Some((from, to)) = cut else {
            pieces.push(Vec::new());
            continue;
        };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => pieces.push(vec![from, to]),
        }
    }
    pieces.retain(|p| p.len() > 1);
    pieces
}

/// A straight line between the bounds.
fn clip(a: (f64, f64), b: (f64, f64), up: &Range<f64>) -> Option<((f64, f64), (f64, f64))> {
    if a.1.max(b.1) < up.start || a.1.min(b.1) > up.end {
        return None;
    }
    let at = |y: f64| a.0 + (b.0 - a.0) * (y - a.1) / (b.1 - a.1);
    let hold = |p: (f64, f64)| match p.1 {
        y if y < up.start => (at(up.start), up.start),
        y if y > up.end => (at(up.end), up.end),
        _ => p,
    };
    Some((hold(a), hold(b)))
}
