//! The options of a loss, from `--set`.

use super::arrays::Source;
use super::error::Failure;
use crate::loss::{Info, Loss, OptionInfo, OptionKind, OptionValue};
use crate::{Error, Result};

/// Which options were read from which files.
pub type Files = Vec<(&'static str, String)>;

/// Sets the options of `loss` as `settings` say, each of them `option=value` or `option=@FILE`.
pub fn set(loss: &mut dyn Loss, settings: &[String]) -> Result<Files, Failure> {
    let info = loss.info();
    let mut seen: Vec<&str> = Vec::new();
    let mut files = Files::new();
    for setting in settings {
        let Some((name, text)) = setting.split_once('=') else {
            return Err(Failure::usage(
                "--set",
                "option=value or option=@FILE",
                format!("`{setting}`"),
            ));
        };
        if seen.contains(&name) {
            return Err(Failure::usage(
                format!("--set {name}"),
                "it once",
                "it twice",
            ));
        }
        seen.push(name);
        let option = info.options.iter().find(|o| o.name == name);
        match (option, text.strip_prefix('@')) {
            (Some(option), Some(file)) => {
                let value = columns(info, option, file)?;
                let blame = |error| Failure::Contents {
                    file: file.into(),
                    error,
                };
                loss.set(name, value).map_err(blame)?;
                files.push((option.name, file.into()));
            }
            (Some(option), None) => loss.set(name, parse(info, option, text)?)?,
            // The loss knows best how to refuse what it has not.
            (None, _) => loss.set(name, OptionValue::Number(0.0))?,
        }
    }
    Ok(files)
}

fn parse(info: &'static Info, option: &'static OptionInfo, text: &str) -> Result<OptionValue> {
    let value = match option.kind {
        OptionKind::Flag => text.parse().ok().map(OptionValue::Flag),
        OptionKind::Index => text.parse().ok().map(OptionValue::Index),
        OptionKind::Number | OptionKind::NumberOrColumns => text
            .parse::<f64>()
            .ok()
            // A whole number that f32 does not have would become another one.
            .filter(|v| !option.range.is_whole() || f64::from(*v as f32) == *v)
            .map(|v| v as f32)
            // Here, because the loss would name the infinity that a large number has become.
            .filter(|v| v.is_finite())
            .map(OptionValue::Number),
    };
    value.ok_or_else(|| Error::OptionValue {
        loss: info.name,
        option: option.name,
        expected: takes(option),
        found: format!("`{text}`"),
    })
}

fn columns(
    info: &'static Info,
    option: &'static OptionInfo,
    file: &str,
) -> Result<OptionValue, Failure> {
    if option.kind != OptionKind::NumberOrColumns {
        return Err(Failure::Library(Error::OptionValue {
            loss: info.name,
            option: option.name,
            expected: takes(option),
            found: format!("the file {file}"),
        }));
    }
    let source = Source::read(option.name, file)?;
    if source.array.shape.len() > 1 {
        return Err(source.refuse("one axis, with one number per column"));
    }
    let numbers = source.into_values();
    let numbers: Vec<f32> = numbers.to_f64().iter().map(|&v| v as f32).collect();
    Ok(match numbers[..] {
        // One number is the same for every column, as it is without a file.
        [all] => OptionValue::Number(all),
        _ => OptionValue::Columns(numbers),
    })
}

/// What an option takes, for people.
pub fn takes(option: &OptionInfo) -> String {
    match option.kind {
        OptionKind::Number => option.range.name().into(),
        OptionKind::Flag => "true or false".into(),
        OptionKind::Index => "an integer".into(),
        OptionKind::NumberOrColumns => format!("{}, or one per column", option.range.name()),
    }
}
