//! Series of numbers over one axis.

use super::canvas::{self, Area, COLOURS, DOT, Drawn, FAINT, INK, Sample, Scene, letters, stroke};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// Width and height, in units of an SVG.
const SIZE: (u32, u32) = (720, 480);

/// A chart of one or several series of numbers.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What it is called where it is one of several.
    pub name: String,
    /// What stands above it.
    pub title: String,
    /// What the horizontal axis is.
    pub across: String,
    /// What the vertical axis is.
    pub up: String,
    /// From where to where the vertical axis goes; as far as the points do where nothing is said. What lies outside is left out.
    pub up_range: Option<(f64, f64)>,
    /// What is drawn, the first below the others.
    pub series: Vec<Series>,
}

/// One series of a [`Chart`].
#[derive(Debug, Clone)]
pub struct Series {
    /// What the legend says.
    pub label: String,
    /// How it is drawn.
    pub marker: Marker,
    /// Its points. Those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A line from point to point, each in a colour of its own.
    Line,
    /// A dark line in dashes: what others are compared with.
    Dashed,
    /// A grey dot for each point.
    Dots,
}

impl Marker {
    fn sample(self) -> Sample {
        match self {
            Marker::Line => Sample::Line(0),
            Marker::Dashed => Sample::Line(1),
            Marker::Dots => Sample::Dot,
        }
    }
}

impl Scene for Chart {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<B: DrawingBackend>(&self, root: &Area<B>, k: f64) -> Drawn<B> {
        let dots = |units: f64| (units * k).round() as i32;
        let title = letters(19.0, k, &INK);
        root.draw_text(&self.title, &title, (dots(18.0), dots(14.0)))?;
        let mut coloured = 0;
        let mut colour = |marker: Marker| match marker {
            Marker::Dots => FAINT,
            Marker::Dashed => INK,
            Marker::Line => {
                coloured += 1;
                COLOURS[(coloured - 1) % COLOURS.len()]
            }
        };
        let colours: Vec<_> = self.series.iter().map(|s| colour(s.marker)).collect();
        let entries = self.series.iter().zip(&colours);
        let entries: Vec<_> = entries
            .map(|(s, colour)| (s.label.as_str(), *colour, s.marker.sample()))
            .collect();
        let below = canvas::legend(root, k, SIZE.0, &entries)?;
        let (_, rest) = root.split_vertically(dots(below + 6.0));
        let (rest, foot) = rest.split_vertically(rest.dim_in_pixel().1 as i32 - dots(30.0));
        let text = |v: VPos| letters(14.0, k, &INK).pos(Pos::new(HPos::Center, v));
        let middle = (dots(f64::from(SIZE.0) / 2.0), dots(4.0));
        foot.draw_text(&self.across, &text(VPos::Top), middle)?;
        let (side, plane) = rest.split_horizontally(dots(24.0));
        let upwards = text(VPos::Top).transform(FontTransform::Rotate270);
        let center = (dots(8.0), side.dim_in_pixel().1 as i32 / 2);
        side.draw_text(&self.up, &upwards, center)?;
        let of = |axis: fn(&(f64, f64)) -> f64| {
            let points = self.series.iter().flat_map(|s| &s.points);
            spread(points.filter(|p| finite(p)).map(axis))
        };
        let across = of(|p| p.0);
        let up = match self.up_range {
            Some((low, high)) if low < high => drawable(low, high),
            _ => of(|p| p.1),
        };
        let chart = canvas::axes(&plane, k, None, across, up.clone())?;
        let (left, top) = plane.get_base_pixel();
        let inside = |&&(_, y): &&(f64, f64)| up.start <= y && y <= up.end;
        let pixel = |p: &(f64, f64)| {
            let (x, y) = chart.plotting_area().map_coordinate(p);
            (x - left, y - top)
        };
        for (series, colour) in self.series.iter().zip(colours) {
            let there = series.points.iter().filter(|p| finite(p)).filter(inside);
            let points: Vec<_> = there.map(pixel).collect();
            match series.marker.sample() {
                Sample::Line(line) => stroke(&plane, k, points, colour, line)?,
                Sample::Dot => {
                    for at in points {
                        let size = dots(DOT) as u32;
                        plane.draw(&Circle::new(at, size, colour.mix(0.45).filled()))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn finite(&(x, y): &(f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

/// A range whose width is finite, as axes need it: what lies beyond is not drawn.
fn drawable(low: f64, high: f64) -> Range<f64> {
    const MOST: f64 = 1e300;
    match low > -MOST && high < MOST {
        true => low..high,
        false => -MOST..MOST,
    }
}

/// From the least to the largest, and a little more on both sides.
fn spread(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    match low < high {
        true => {
            let all = drawable(low, high);
            let pad = 0.03 * (all.end - all.start);
            all.start - pad..all.end + pad
        }
        false if low.is_finite() => low - 1.0..high + 1.0,
        false => 0.0..1.0,
    }
}
