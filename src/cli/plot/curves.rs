//! What there is to draw: every loss along a line through its inputs, and the losses of a family side by side. It
//! follows from what the registry says of a loss, so that a new one gets its picture like the others.

use crate::cli::error::Failure;
use crate::error::Result;
use crate::loss::{Info, Loss, OptionKind, OptionValue, Range, Support, TargetKind, all as losses};
use crate::reference;
use crate::sweep::{
    CLASSES, Goal, Kind, OVERLAP, Sweep, dials, drawable, others, over_angle, over_class,
    over_element, over_overlap, over_probability, over_student, over_vectors, row_target, support,
};

/// A loss or several: their values, and their derivatives along the horizontal axis.
pub struct Picture {
    /// Of the files, without an ending.
    pub name: String,
    pub title: String,
    /// What runs along the horizontal axis, and the letter for it.
    pub axis: String,
    pub by: &'static str,
    /// From where to where the axis goes.
    pub range: (f64, f64),
    /// What each colour stands for, and what each kind of line.
    pub colours: Vec<String>,
    pub lines: Vec<String>,
    pub curves: Vec<Curve>,
}

/// One curve of each panel.
pub struct Curve {
    /// None for a curve that is the same for all of them.
    pub colour: Option<usize>,
    pub line: usize,
    pub points: Vec<Point>,
}

/// A loss and its derivative at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at: f64,
    pub loss: f64,
    pub slope: f64,
}

/// Every picture: the losses in the order of the registry, then the families.
pub fn all() -> std::result::Result<Vec<Picture>, Failure> {
    let mut pictures = Vec::new();
    for info in losses() {
        pictures.push(single(info)?);
    }
    for kind in Kind::ALL {
        let members: Vec<_> = losses().iter().filter(|i| Kind::of(i) == kind).collect();
        if members.len() > 1 {
            pictures.push(together(kind, &members)?);
        }
    }
    Ok(pictures)
}

/// The pictures of single losses.
pub fn of(losses: &[&'static Info]) -> std::result::Result<Vec<Picture>, Failure> {
    let all = losses.iter().map(|info| single(info));
    Ok(all.collect::<Result<Vec<_>>>()?)
}

impl Kind {
    const ALL: [Kind; 11] = [
        Kind::Regression,
        Kind::NonNegative,
        Kind::Probabilities,
        Kind::LogProbabilities,
        Kind::Logits,
        Kind::Margin,
        Kind::Penalties,
        Kind::Classification,
        Kind::Distributions,
        Kind::Embeddings,
        Kind::Sets,
    ];

    /// The name of a family's picture, and its title.
    fn family(self) -> (&'static str, &'static str) {
        match self {
            Kind::Regression => ("regression", "Regression, target 1"),
            Kind::NonNegative => ("nonnegative", "Numbers of at least 0, target 1"),
            Kind::Probabilities => ("binary-probabilities", "Binary, on probabilities, target 1"),
            Kind::LogProbabilities => ("log-probabilities", "On log-probabilities, target 1"),
            Kind::Logits => ("binary-logits", "Binary, on logits, target 1"),
            Kind::Margin => ("margin", "Margins, target 1"),
            Kind::Penalties => ("penalties", "Penalties"),
            Kind::Classification => ("classification", "Classification, 4 classes"),
            Kind::Distributions => (
                "distributions",
                "Distributions, 4 classes, the teacher's logits 2, 0, 0, 0",
            ),
            Kind::Embeddings => ("embeddings", "Embeddings, vectors of length 1"),
            Kind::Sets => ("sets", "Ratios of overlap, two sets of one size"),
        }
    }
}

/// The teacher's logit of one class, and how many of a set's elements are in the target.
const TEACHER: f64 = 2.0;
const INSIDE: usize = 4;
/// An odd number, so that kinks in the middle of an axis are met.
const POINTS: usize = 601;

/// The loss and its derivative along the line.
fn evaluate(loss: &dyn Loss, sweep: &Sweep) -> Result<Vec<Point>> {
    let places = sweep.places(POINTS);
    let out = reference::loss(loss, &sweep.batch(loss, &places))?;
    let curves = sweep.curves(loss, &places, &out);
    let along = curves.slopes.first().map_or(&[][..], |(_, along)| along);
    let points = places.iter().zip(&curves.loss).zip(along);
    let point = |((&at, &loss), &slope)| Point { at, loss, slope };
    Ok(points.map(point).collect())
}

/// Options that are worth more than one curve, the first that a loss has; with the values, or half and twice the default.
const VARIED: &[(&str, &[f32])] = &[
    ("gamma", &[0.0, 1.0, 2.0, 5.0]),
    ("q", &[0.1, 0.5, 0.9]),
    ("delta", &[]),
    ("temperature", &[]),
    ("margin", &[]),
    ("pos_weight", &[]),
    ("positive_weight", &[]),
    ("factor", &[]),
    ("alpha", &[]),
    ("beta", &[]),
    ("log_input", &[]),
];

/// A loss, and the value of the option that makes it differ from its like.
type Variant = (String, Box<dyn Loss>);

/// The loss with default options, or with several values of one option, whose name comes along.
fn variants(info: &'static Info) -> (Option<&'static str>, Vec<Variant>) {
    let defaults = info.make().options();
    let options = || info.options.iter().zip(&defaults);
    let chosen = VARIED
        .iter()
        .find_map(|(name, values)| Some((options().find(|(o, _)| o.name == *name)?, *values)));
    // Of a loss that nobody knows here, the first there is.
    let first = || Some((options().next()?, &[][..]));
    let chosen = chosen.or_else(|| first().filter(|_| info.is_custom()));
    let Some(((option, default), values)) = chosen else {
        return (None, vec![(String::new(), drawable(info))]);
    };
    let mut values: Vec<OptionValue> = match (option.kind, default) {
        (OptionKind::Flag, _) => [true, false].map(OptionValue::Flag).into(),
        (_, OptionValue::Number(d)) => {
            let mut numbers = match values {
                [] if option.range == Range::Inside => vec![0.1, 0.9],
                [] if *d == 0.0 => vec![0.5, 1.0],
                [] => vec![0.5 * d, 2.0 * d],
                values => values.to_vec(),
            };
            numbers.push(*d);
            numbers.sort_by(f32::total_cmp);
            numbers.dedup();
            numbers.into_iter().map(OptionValue::Number).collect()
        }
        _ => Vec::new(),
    };
    if values.is_empty() {
        values.push(default.clone());
    }
    let made = values.into_iter().filter_map(|value| {
        let mut loss = drawable(info);
        let note = if value == *default { " (default)" } else { "" };
        let label = format!("{} = {value}{note}", option.name);
        // A value that this loss does not take is left out.
        loss.set(option.name, value).ok()?;
        Some((label, loss))
    });
    (Some(option.name), made.collect())
}

/// The picture of one loss: colours for the values of an option, kinds of lines for targets.
fn single(info: &'static Info) -> Result<Picture> {
    let (varied, variants) = variants(info);
    let sweeps = sweeps(info)?;
    let mut curves = Vec::new();
    for (colour, (_, loss)) in variants.iter().enumerate() {
        for (line, (_, sweep)) in sweeps.iter().enumerate() {
            let points = evaluate(loss.as_ref(), sweep)?;
            curves.push(Curve {
                colour: Some(colour),
                line,
                points,
            });
        }
    }
    // Where the target makes no difference one line is enough, and where the option makes none one colour.
    let same = curves.iter().all(|c| {
        let first = curves.iter().find(|f| f.colour == c.colour);
        first.is_some_and(|f| close(&f.points, &c.points, 1e-9))
    });
    if same {
        curves.retain(|c| c.line == 0);
    }
    for line in 0..sweeps.len() {
        let mut all = curves.iter_mut().filter(|c| c.line == line);
        if let (Some(first), mut others) = (all.next(), all)
            && variants.len() > 1
            && others.all(|c| close(&first.points, &c.points, 1e-9))
        {
            first.colour = None;
            curves.retain(|c| c.line != line || c.colour.is_none());
        }
    }
    let fixed: Vec<_> = info
        .options
        .iter()
        .zip(info.make().options())
        .filter(|(o, v)| Some(o.name) != varied && matches!(v, OptionValue::Number(_)))
        .map(|(o, v)| format!("{} = {v}", o.name))
        .collect();
    let labels = || sweeps.iter().map(|(label, _)| label.clone());
    let (axis, by, range) = match sweeps.as_slice() {
        [] => (String::new(), "", (0.0, 1.0)),
        [(_, one)] => (one.axis.clone(), one.by, one.range),
        [(_, one), ..] if !same => (one.axis.clone(), one.by, one.range),
        [(_, one), ..] => {
            let labels: Vec<_> = labels().collect();
            let axis = format!("{}, {}", one.axis, labels.join(" or "));
            (axis, one.by, one.range)
        }
    };
    Ok(Picture {
        name: info.name.into(),
        title: match fixed.is_empty() {
            true => info.name.into(),
            false => format!("{}, {}", info.name, fixed.join(", ")),
        },
        axis,
        by,
        range,
        colours: match varied {
            Some(_) => variants.into_iter().map(|(label, _)| label).collect(),
            None => Vec::new(),
        },
        lines: match same {
            true => Vec::new(),
            false => labels().collect(),
        },
        curves,
    })
}

/// Whether two curves are one, but for a `part` of their height.
fn close(a: &[Point], b: &[Point], part: f64) -> bool {
    let near = |value: fn(&Point) -> f64| {
        let most = a.iter().map(|p| value(p).abs()).fold(0.0, f64::max);
        let gap = |(a, b): (&Point, &Point)| (value(a) - value(b)).abs() <= part * most;
        a.iter().zip(b).all(gap)
    };
    near(|p| p.loss) && near(|p| p.slope)
}

/// The lines that one loss is drawn along, each with the name of its target.
fn sweeps(info: &'static Info) -> Result<Vec<(String, Sweep)>> {
    let kind = Kind::of(info);
    let one = |sweep: Sweep| vec![(String::new(), sweep)];
    Ok(match kind {
        Kind::Classification => one(over_class(info, CLASSES, 0)),
        Kind::Distributions => one(over_student(CLASSES, TEACHER)),
        Kind::Sets => one(over_overlap(info, INSIDE)),
        Kind::Embeddings => {
            let lines = ends(info).into_iter();
            let lines = lines.map(|(label, goal)| Ok((label, over_vectors(info, goal)?)));
            lines.collect::<Result<_>>()?
        }
        _ => elementwise(info, kind),
    })
}

/// Over one input, for several targets; or for several scales, where a second input is one.
fn elementwise(info: &Info, kind: Kind) -> Vec<(String, Sweep)> {
    let targets: &[f64] = match kind {
        _ if info.is_custom() && info.target != TargetKind::None => &[1.0, 0.0, -1.0],
        Kind::NonNegative => &[1.0, 3.0],
        Kind::Probabilities | Kind::Logits => &[1.0, 0.0],
        Kind::LogProbabilities => &[1.0, 0.5, 0.25],
        Kind::Penalties => &[0.0],
        _ => &[1.0, -1.0],
    };
    let second = info.inputs.get(1).copied();
    let make = |t: f64, others: Vec<f64>| {
        let t = (kind != Kind::Penalties).then_some(t);
        let mut sweep = over_element(info, t, others);
        match (kind, second) {
            _ if info.is_custom() => {}
            (Kind::Regression, _) => {
                sweep.axis = format!("error {} − t", sweep.by);
                let (row, t) = (sweep.row, t.unwrap_or_default());
                sweep.row = Box::new(move |at| row(at + t));
            }
            // The second score is 0.
            (Kind::Margin, Some(second)) => sweep.axis = format!("{} − {second}", sweep.by),
            _ => {}
        }
        sweep
    };
    match (second, info.domain.get(1)) {
        (Some(second), Some(Support::NonNegative)) => [0.25, 1.0, 4.0]
            .map(|scale| {
                let mut others = others(info);
                others[0] = scale;
                (format!("{second} = {scale}"), make(targets[0], others))
            })
            .into(),
        _ => targets
            .iter()
            .map(|&t| (target(t), make(t, others(info))))
            .collect(),
    }
}

fn target(t: f64) -> String {
    format!("t = {t}").replace('-', "−")
}

/// The targets of a loss of embeddings, by name: numbers of a row, or a vector.
fn ends(info: &'static Info) -> Vec<(String, Goal)> {
    match dials(info).first() {
        Some(t) => [t.high, t.low]
            .map(|t| (target(t), row_target(info, Some(t))))
            .into(),
        None => vec![(String::new(), row_target(info, None))],
    }
}

/// The line that all losses of a family are drawn along.
fn shared(kind: Kind, info: &'static Info) -> Result<Option<Sweep>> {
    Ok(match kind {
        Kind::Classification => Some(over_probability(info, CLASSES, 0)),
        Kind::Embeddings => {
            let goal = ends(info).into_iter().next();
            goal.map(|(_, goal)| over_angle(info, goal))
        }
        Kind::Sets => {
            let mut sweep = over_overlap(info, INSIDE);
            if support(info) == Support::Logit {
                // Over the same probabilities as the others.
                let row = sweep.row;
                (sweep.range, sweep.open, sweep.axis) = ((0.0, 1.0), true, OVERLAP.into());
                sweep.row = Box::new(move |at| row((at / (1.0 - at)).ln()));
            }
            Some(sweep)
        }
        Kind::Distributions => Some(over_student(CLASSES, TEACHER)),
        _ => {
            let mut sweeps = elementwise(info, kind);
            // Of several scales the one that is 1.
            let one = sweeps.iter().position(|(label, _)| label.ends_with("= 1"));
            match sweeps.is_empty() {
                true => None,
                false => Some(sweeps.swap_remove(one.unwrap_or(0)).1),
            }
        }
    })
}

/// The losses of a family with default options: a colour and a kind of line for each.
fn together(kind: Kind, members: &[&&'static Info]) -> Result<Picture> {
    let (name, title) = kind.family();
    let mut picture = Picture {
        name: format!("family-{name}"),
        title: format!("{title}, options at their defaults"),
        axis: String::new(),
        by: "",
        range: (0.0, 1.0),
        colours: Vec::new(),
        lines: Vec::new(),
        curves: Vec::new(),
    };
    let mut axes: Vec<String> = Vec::new();
    let mut each = Vec::new();
    for info in members {
        let Some(sweep) = shared(kind, info)? else {
            continue;
        };
        each.push((
            info.name.to_string(),
            evaluate(drawable(info).as_ref(), &sweep)?,
        ));
        if axes.is_empty() {
            (picture.by, picture.range) = (sweep.by, sweep.range);
        }
        if !axes.contains(&sweep.axis) {
            axes.push(sweep.axis);
        }
    }
    picture.axis = axes.join("; ");
    shrink(&mut each);
    for (name, points) in each {
        // Those that nobody could tell apart share a curve.
        let twin = picture
            .curves
            .iter()
            .position(|c| close(&c.points, &points, 1e-3));
        if let Some(label) = twin.and_then(|twin| picture.colours.get_mut(twin)) {
            *label = format!("{label}, {name}");
            continue;
        }
        let colour = picture.colours.len();
        picture.colours.push(name);
        picture.curves.push(Curve {
            colour: Some(colour),
            line: colour,
            points,
        });
    }
    Ok(picture)
}

/// Divides losses that would dwarf all others by a power of ten, and says so.
fn shrink(each: &mut [(String, Vec<Point>)]) {
    let most = |points: &[Point]| {
        let losses = points.iter().map(|p| p.loss.abs());
        losses.filter(|l| l.is_finite()).fold(0.0, f64::max)
    };
    let mut all: Vec<f64> = each.iter().map(|(_, points)| most(points)).collect();
    all.sort_by(f64::total_cmp);
    let Some(&middle) = all.get(all.len() / 2) else {
        return;
    };
    for (name, points) in each {
        let ratio = most(points) / middle;
        if ratio >= 50.0 && ratio.is_finite() {
            let by = 10f64.powf(ratio.log10().round());
            for point in points {
                point.loss /= by;
                point.slope /= by;
            }
            *name = format!("{name} / {by}");
        }
    }
}
