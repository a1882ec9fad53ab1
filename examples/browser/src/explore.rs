//! A loss and its derivatives along a line, and what there is to move: for the parts Explore and Write.

use crate::{Device, numbers, object, thrown};
use js_sys::{Array, Object};
use wasm_bindgen::prelude::*;
use wgloss::loss::{self, Family, Loss, OptionInfo, OptionKind, OptionValue, Range};
use wgloss::sweep::{self, Dial};
use wgloss::{Custom, Error};

/// The places of a curve. An odd number, so that kinks in the middle of an axis are met.
const PLACES: usize = 601;

/// Every registered loss.
#[wasm_bindgen]
pub fn losses() -> Result<Array, JsValue> {
    let all = loss::all().iter();
    all.map(|info| describe(sweep::drawable(info).as_ref()))
        .collect()
}

#[wasm_bindgen]
impl Device {
    /// Evaluates a loss at places from `low` to `high`, or the ends that suit it: a registered one, or that of a text. `options` are
    /// pairs of name and value, `dials` values in their order.
    ///
    /// # Errors
    /// What the loss or the device refuses.
    pub async fn curves(
        &self,
        name: String,
        wgsl: Option<String>,
        options: Object,
        dials: Vec<f64>,
        low: Option<f64>,
        high: Option<f64>,
    ) -> Result<Object, JsValue> {
        let loss = make(&name, wgsl.as_deref(), &options).map_err(thrown)?;
        let loss = loss.as_ref();
        let mut sweep = sweep::sweep(loss, &dials).map_err(thrown)?;
        let ends = (low.unwrap_or(sweep.range.0), high.unwrap_or(sweep.range.1));
        if ends.0 < ends.1 {
            sweep.range = ends;
        } else {
            return Err(JsError::new("The axis has to end above its beginning").into());
        }
        let places = sweep.places(PLACES);
        let batch = sweep.batch(loss, &places);
        let out = self.gpu.evaluate_async(loss, &batch).await;
        let curves = sweep.curves(loss, &places, &out.map_err(thrown)?);
        let slopes = curves
            .slopes
            .iter()
            .map(|(by, values)| object([("by", (*by).into()), ("values", numbers(values))]));
        object([
            ("axis", sweep.axis.into()),
            ("low", sweep.range.0.into()),
            ("high", sweep.range.1.into()),
            ("places", numbers(&places)),
            ("loss", numbers(&curves.loss)),
            ("slopes", slopes.collect::<Result<Array, _>>()?.into()),
        ])
    }
}

fn make(name: &str, wgsl: Option<&str>, options: &Object) -> Result<Box<dyn Loss>, Error> {
    let mut loss = match wgsl {
        Some(wgsl) => sweep::drawable(Custom::new(name, wgsl)?.info()),
        None => sweep::drawable(loss::by_name(name)?.info()),
    };
    for pair in Object::entries(options).iter() {
        let pair = Array::from(&pair);
        let (name, value) = (pair.get(0).as_string(), pair.get(1));
        let name = name.unwrap_or_default();
        let kind = loss.info().options.iter().find(|o| o.name == name);
        let value = match (value.as_bool(), value.as_f64(), kind.map(|o| o.kind)) {
            (Some(flag), ..) => OptionValue::Flag(flag),
            (_, Some(number), Some(OptionKind::Index)) => OptionValue::Index(number as i64),
            (_, number, _) => OptionValue::Number(number.unwrap_or(f64::NAN) as f32),
        };
        loss.set(&name, value)?;
    }
    Ok(loss)
}

/// What is known of a loss, and what can be moved.
pub fn describe(loss: &dyn Loss) -> Result<Object, JsValue> {
    let info = loss.info();
    let options = info.options.iter().zip(loss.options());
    // A place of a line is a row, whatever the loss is reduced over.
    let options = options.filter(|(o, _)| info.family != Family::Sets || o.name != "per_row");
    let options = options.map(|(info, value)| option(info, &value));
    let dials = sweep::dials(info);
    let family = match info.family {
        Family::Elementwise => "elementwise",
        Family::Rows => "rows",
        Family::Sets => "sets",
    };
    let inputs = info.inputs.iter().map(|&name| JsValue::from(name));
    object([
        ("name", info.name.into()),
        ("summary", info.summary.trim().into()),
        ("formula", info.formula.into()),
        ("agrees", info.agrees.into()),
        ("family", family.into()),
        ("inputs", inputs.collect::<Array>().into()),
        ("options", options.collect::<Result<Array, _>>()?.into()),
        (
            "dials",
            dials.iter().map(dial).collect::<Result<Array, _>>()?.into(),
        ),
    ])
}

/// A slider: from where to where, in steps of a size or, `log`, evenly by size.
struct Slider {
    low: f64,
    high: f64,
    step: f64,
    log: bool,
}

impl Slider {
    /// Of an option that takes numbers of `range`, around its default.
    fn new(range: Range, value: f64) -> Slider {
        let size = value.abs();
        let far = if size == 0.0 { 4.0 } else { 4.0 * size };
        let far = if range.is_whole() {
            far.round().max(8.0)
        } else {
            far
        };
        let even = |low, high, step| Slider {
            low,
            high,
            step,
            log: false,
        };
        match range {
            // Some epsilon.
            _ if size > 0.0 && size <= 1e-3 => Slider {
                low: 1e-9,
                high: 0.1,
                step: 0.1,
                log: true,
            },
            Range::Any => even(-far, far, far / 100.0),
            Range::Positive => even(far / 100.0, far, far / 100.0),
            Range::NonNegative => even(0.0, far, far / 100.0),
            Range::Unit => even(0.0, 1.0, 0.01),
            Range::Half => even(0.0, 0.5, 0.005),
            Range::Inside => even(0.01, 0.99, 0.01),
            Range::AtLeastOne => even(1.0, far, 0.05),
            Range::OneOrTwo => even(1.0, 2.0, 1.0),
            Range::Whole => even(-far, far, 1.0),
            Range::Count => even(0.0, far, 1.0),
        }
    }
}

fn option(info: &OptionInfo, value: &OptionValue) -> Result<Object, JsValue> {
    let (kind, value) = match value {
        OptionValue::Flag(v) => ("flag", JsValue::from(*v)),
        OptionValue::Index(v) => ("index", JsValue::from(*v as f64)),
        // The shortest decimal that is this f32: 0.1, not 0.10000000149.
        OptionValue::Number(v) => ("number", v.to_string().parse().unwrap_or(0.0).into()),
        OptionValue::Columns(v) => {
            let first = v.first().copied().unwrap_or_default();
            ("number", f64::from(first).into())
        }
    };
    let slider = Slider::new(info.range, value.as_f64().unwrap_or_default());
    object([
        ("name", info.name.into()),
        ("summary", info.summary.trim().into()),
        ("takes", info.range.name().into()),
        ("kind", kind.into()),
        ("value", value),
        ("low", slider.low.into()),
        ("high", slider.high.into()),
        ("step", slider.step.into()),
        ("log", slider.log.into()),
    ])
}

fn dial(dial: &Dial) -> Result<Object, JsValue> {
    object([
        ("name", dial.name.into()),
        ("summary", dial.summary.into()),
        ("kind", "number".into()),
        ("value", dial.value.into()),
        ("low", dial.low.into()),
        ("high", dial.high.into()),
        ("step", dial.step.into()),
        ("log", false.into()),
    ])
}
