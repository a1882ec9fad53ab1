//! Draws a picture of losses: two panels, of the losses and of their derivatives.

use super::curves::{Curve, Picture, Point};
use crate::plot::canvas::{self, Area, COLOURS, Drawn, FAINT, INK, Sample, Scene, letters, stroke};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// Width and height, in units of an SVG.
const SIZE: (u32, u32) = (960, 470);

impl Scene for Picture {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<B: DrawingBackend>(&self, root: &Area<B>, k: f64) -> Drawn<B> {
        draw(root, k, self)
    }
}

/// Everything, `k` dots a unit.
fn draw<B: DrawingBackend>(root: &Area<B>, k: f64, picture: &Picture) -> Drawn<B> {
    let dots = |units: f64| (units * k).round() as i32;
    let text = |size: f64, colour: &RGBColor| letters(size, k, colour);
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
    panel(&right, k, &by, picture, |p| p.slope)
}

/// A sample of each colour and of each kind of line with its name. Returns where it ends.
fn legend<B: DrawingBackend>(
    root: &Area<B>,
    k: f64,
    picture: &Picture,
) -> Result<f64, DrawingAreaErrorKind<B::ErrorType>> {
    // Of a family every loss has a colour and a kind of line of its own.
    let own = picture.lines.is_empty();
    let colours = picture.colours.iter().enumerate().map(|(i, label)| {
        let curve = picture.curves.iter().find(|c| c.colour == Some(i));
        let line = if own { curve.map_or(0, |c| c.line) } else { 0 };
        (label.as_str(), colour(Some(i)), Sample::Line(line))
    });
    // Kinds of lines in the colour of all curves, or in none.
    let plain = match picture.colours.is_empty() {
        true => colour(Some(0)),
        false => FAINT,
    };
    let lines = picture.lines.iter().enumerate();
    let lines = lines.map(|(i, label)| (label.as_str(), plain, Sample::Line(i)));
    let entries: Vec<_> = colours.chain(lines).collect();
    canvas::legend(root, k, SIZE.0, &entries)
}

fn colour(which: Option<usize>) -> RGBColor {
    which.map_or(FAINT, |i| COLOURS[i % COLOURS.len()])
}

/// One set of axes with a caption above, and the curves of `value`.
fn panel<B: DrawingBackend>(
    area: &Area<B>,
    k: f64,
    caption: &str,
    picture: &Picture,
    value: fn(&Point) -> f64,
) -> Drawn<B> {
    let dots = |units: f64| (units * k).round() as u32;
    let across = picture.range.0..picture.range.1;
    let up = upright(&picture.curves, value);
    let chart = canvas::axes(area, k, Some(caption), across, up.clone())?;
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
