//! Where a mistake stands of which naga tells no place: texts that differ from the given one here and there say it.

use std::ops::Range;

use naga::proc::Layouter;

use super::*;

/// How many texts are tried. One that is read has an index for each of them, and few have that many.
const MOST_TRIES: usize = 1000;

/// The place and the words of a mistake in a text that cannot be read.
pub(super) fn mistake(text: &str, error: &ParseError) -> Refusal {
    let message = one_line(error.message());
    let label = error.labels().map(|(span, _)| span);
    if let Some(span) = label.into_iter().find(Span::is_defined) {
        return (span, told(&message));
    }
    if let Some(index) = out_of_bounds(&message) {
        let span = wrong_index(text, &message, Mend::First).unwrap_or_default();
        return (span, format!("Accessing index {index} is out of bounds"));
    }
    if message.starts_with("Invalid access into expression") {
        let span = wrong_index(text, &message, Mend::Without).unwrap_or_default();
        let message = "an index of what is no vector, matrix or array";
        return (span, message.into());
    }
    if message == TOO_LARGE {
        return (wrong_size(text).unwrap_or_default(), large());
    }
    match error.notes().next() {
        Some("Parser recursion limit exceeded") => {
            let message = "too much within each other to be read";
            (stack_for(text).1, message.into())
        }
        // Limits of naga's own stand in notes.
        Some(note) => {
            let message = format!("{}: {}", told(&message), one_line(note));
            (Span::UNDEFINED, message)
        }
        None => (Span::UNDEFINED, told(&message)),
    }
}

/// Where a text that was read has what validation complains of without a place.
pub(super) fn complained(text: &str, error: &ValidationError) -> Option<Span> {
    match error {
        ValidationError::Layouter(_) => wrong_size(text),
        _ => word(text, impossible(&innermost(error))?),
    }
}

/// What is said of a value that no variable can hold.
pub(super) fn large() -> String {
    format!("a value of more than {MOST_VARIABLES} bytes")
}

/// What the front end says of a type that has no size.
const TOO_LARGE: &str = "type is too large";

/// The index that is said to be too large.
fn out_of_bounds(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Index ")?;
    let (index, rest) = rest.split_once(' ')?;
    rest.starts_with("is out of bounds").then_some(index)
}

/// A text with something else in some places, which are in order and apart; and where they begin then.
fn replaced(text: &str, places: &[Range<usize>], by: &str) -> (String, Vec<usize>) {
    let (mut out, mut starts, mut end) = (String::new(), Vec::new(), 0);
    for place in places {
        out += text.get(end..place.start).unwrap_or_default();
        starts.push(out.len());
        out += by;
        end = place.end;
    }
    out += text.get(end..).unwrap_or_default();
    (out, starts)
}

/// What rights an index.
#[derive(Clone, Copy)]
enum Mend {
    /// It is 0.
    First,
    /// It is not there.
    Without,
}

/// The index that a message is about. naga reads what is indexed, then the index, and only then looks whether that can be: where
/// indices are replaced by ones that fail by themselves, the place of the failure says which is read next, until the message comes first.
fn wrong_index(text: &str, message: &str, mend: Mend) -> Option<Span> {
    const FAILS: &str = "1/0";
    let mut open = indices(text);
    let mut seen = Vec::new();
    for _ in 0..MOST_TRIES {
        // Those outside others.
        let mut end = 0;
        let outer = open.iter().filter(|place| {
            let apart = place.start >= end;
            end = end.max(place.end);
            apart
        });
        let outer: Vec<_> = outer.cloned().collect();
        let (changed, starts) = replaced(text, &outer, FAILS);
        let error = module(&changed).err()?;
        let span = error.labels().next().and_then(|(span, _)| span.to_range());
        let next = span.and_then(|s| starts.iter().position(|start| *start == s.start));
        let Some(next) = next.and_then(|next| outer.get(next)) else {
            break;
        };
        open.retain(|place| place != next);
        seen.push(next.clone());
    }
    // The rest of an expression may be read before: of these it is the last that the message goes away with.
    let rights = |place: &&Range<usize>| {
        let (place, by) = match mend {
            Mend::First => ((*place).clone(), "0"),
            Mend::Without => (place.start - 1..place.end + 1, ""),
        };
        let error = module(&replaced(text, &[place], by).0).err();
        error.is_none_or(|e| one_line(e.message()) != message)
    };
    let found = seen.iter().rev().find(rights).or(seen.last())?;
    Some(Span::from(found.start..found.end))
}

/// What stands in square brackets, in the order of the text.
fn indices(text: &str) -> Vec<Range<usize>> {
    let (mut all, mut open) = (Vec::new(), Vec::new());
    for (i, byte) in without_comments(text).bytes().enumerate() {
        match byte {
            b'[' => open.push(i + 1),
            b']' => all.extend(open.pop().map(|start| start..i)),
            _ => {}
        }
    }
    all.sort_by_key(|place| place.start);
    all
}

/// The first number of elements by which a type is too large, those behind it being 1.
fn wrong_size(text: &str) -> Option<Span> {
    let all = sizes(text);
    let fails = |kept: usize| {
        let changed = replaced(text, all.get(kept..).unwrap_or_default(), "1").0;
        match module(&changed) {
            Ok(module) => Layouter::default().update(module.to_ctx()).is_err(),
            Err(e) => e.message() == TOO_LARGE,
        }
    };
    let (mut good, mut bad) = (0, all.len());
    while bad > good + 1 {
        let middle = (good + bad) / 2;
        if fails(middle) {
            bad = middle;
        } else {
            good = middle;
        }
    }
    let found = all.get(bad.checked_sub(1)?)?;
    Some(Span::from(found.start..found.end))
}

/// The numbers of elements of the arrays of a text, in their order.
fn sizes(text: &str) -> Vec<Range<usize>> {
    let plain = without_comments(text);
    // Of each `<` what it belongs to, and where what is behind its comma begins.
    let mut open: Vec<(bool, Option<usize>)> = Vec::new();
    let mut all = Vec::new();
    for (i, byte) in plain.bytes().enumerate() {
        match byte {
            b';' | b'{' | b'}' => open.clear(),
            // A shift.
            b'<' if [i + 1, i.wrapping_sub(1)]
                .map(|k| plain.as_bytes().get(k))
                .contains(&Some(&b'<')) => {}
            b'<' => {
                let before = plain.get(..i).unwrap_or_default().trim_end();
                open.push((before.ends_with("array"), None));
            }
            b',' => {
                if let Some((true, from @ None)) = open.last_mut() {
                    *from = Some(i + 1);
                }
            }
            b'>' => {
                if let Some((true, Some(from))) = open.pop() {
                    let within = plain.get(from..i).unwrap_or_default();
                    let within = within.trim_end_matches([',', ' ', '\n', '\t', '\r']);
                    let start = i.min(from + within.len() - within.trim_start().len());
                    all.push(start..from + within.len());
                }
            }
            _ => {}
        }
    }
    all.retain(|place| place.start < place.end);
    all.sort_by_key(|place| place.start);
    all
}

/// Where a word stands first.
fn word(text: &str, word: &str) -> Option<Span> {
    let plain = without_comments(text);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = plain.match_indices(word).find(|(at, _)| {
        let before = plain.get(..*at).unwrap_or_default();
        let after = plain.get(at + word.len()..).unwrap_or_default();
        !before.ends_with(is_word) && !after.starts_with(is_word)
    });
    found.map(|(at, _)| Span::from(at..at + word.len()))
}
