//! What a text may hold, so that nobody who goes through it later runs out of stack or memory.

use super::*;

/// The first variable that is one too many, or a value that is too large for any variable.
pub(super) fn too_large(module: &Module) -> Option<Refusal> {
    let bytes = |ty: Handle<naga::Type>| match module.types[ty].inner {
        // Pointers take no place.
        TypeInner::Pointer { .. } | TypeInner::ValuePointer { .. } => 0,
        ref inner => inner.try_size(module.to_ctx()).map_or(u64::MAX, u64::from),
    };
    let value = module.types.iter().find_map(|(ty, _)| {
        (bytes(ty) > MOST_VARIABLES).then(|| (user_span(module, ty), place::large()))
    });
    let full = |all: Vec<(Handle<naga::Type>, Span)>, whose: &str| {
        let mut sum = 0u64;
        let (_, span) = all.into_iter().find(|(ty, _)| {
            sum = sum.saturating_add(bytes(*ty));
            sum > MOST_VARIABLES
        })?;
        let message = format!("the variables {whose} take more than {MOST_VARIABLES} bytes");
        Some((span, message))
    };
    let private = || {
        let all = module.global_variables.iter();
        let all = all.map(|(h, v)| (v.ty, module.global_variables.get_span(h)));
        full(all.collect(), "of the file")
    };
    let local = |f: &Function| {
        let all = f.local_variables.iter();
        let all = all.map(|(h, v)| (v.ty, f.local_variables.get_span(h)));
        full(all.collect(), "of the function")
    };
    let locals = || module.functions.iter().find_map(|(_, f)| local(f));
    value.or_else(private).or_else(locals)
}

/// The first statement that stands in too many others.
pub(super) fn too_deep(block: &Block, levels: u32) -> Option<Span> {
    block.span_iter().find_map(|(statement, span)| {
        let inner = |b: &Block| match levels + 1 > MOST_LEVELS {
            true => Some(*span),
            false => too_deep(b, levels + 1),
        };
        match statement {
            Statement::Block(block) => inner(block),
            Statement::If { accept, reject, .. } => inner(accept).or_else(|| inner(reject)),
            Statement::Switch { cases, .. } => cases.iter().find_map(|c| inner(&c.body)),
            Statement::Loop {
                body, continuing, ..
            } => inner(body).or_else(|| inner(continuing)),
            _ => None,
        }
    })
}

/// The first type that is made of too many within each other: what is derived from a text writes out all but structures.
pub(super) fn type_too_deep(module: &Module) -> Option<Refusal> {
    let mut levels: Vec<u32> = Vec::new();
    module.types.iter().find_map(|(handle, ty)| {
        // Types stand behind their parts.
        let of = |part: Handle<naga::Type>| levels.get(part.index()).copied().unwrap_or(0);
        let below = match ty.inner {
            TypeInner::Array { base, .. } | TypeInner::Pointer { base, .. } => of(base),
            _ => 0,
        };
        levels.push(below + 1);
        let message = format!("more than {MOST_LEVELS} types within each other");
        let deep = (below >= MOST_LEVELS).then(|| (user_span(module, handle), message));
        // What nobody uses is not written.
        deep.filter(|(span, _)| span.is_defined())
    })
}

/// The call that leads too deep.
pub(super) fn too_nested(module: &Module) -> Option<Span> {
    /// The levels below a block, or where they are too many.
    fn below(block: &Block, known: &[u32], around: u32) -> Result<u32, Span> {
        let mut most = 0;
        for (statement, span) in block.span_iter() {
            let inner = |b: &Block| below(b, known, around + 1);
            let here = match statement {
                Statement::Block(b) => inner(b)?,
                Statement::If { accept, reject, .. } => inner(accept)?.max(inner(reject)?),
                Statement::Switch { cases, .. } => {
                    let mut all = 0;
                    for case in cases {
                        all = inner(&case.body)?.max(all);
                    }
                    all
                }
                Statement::Loop {
                    body, continuing, ..
                } => inner(body)?.max(inner(continuing)?),
                // Functions stand behind those that they call.
                Statement::Call { function, .. } => {
                    let called = known.get(function.index()).copied().unwrap_or(0);
                    if around + 1 + called > MOST_NESTED {
                        return Err(*span);
                    }
                    called
                }
                _ => 0,
            };
            most = most.max(here);
        }
        Ok(most + 1)
    }
    let mut known: Vec<u32> = Vec::new();
    for (_, function) in module.functions.iter() {
        match below(&function.body, &known, 1) {
            Ok(levels) => known.push(levels + 1),
            Err(span) => return Some(span),
        }
    }
    None
}

/// The call by which a function gets too long, with all that it calls in the place of calls. This bounds too in how many ways a function
/// can be differentiated: each has a call of its own there.
pub(super) fn too_long(module: &Module) -> Option<Span> {
    /// Adds a block to what is there already.
    fn add(block: &Block, known: &[usize], sum: &mut usize) -> Option<Span> {
        *sum += block.len();
        block.span_iter().find_map(|(statement, span)| {
            let mut inner = |b: &Block| add(b, known, sum);
            match statement {
                Statement::Block(b) => inner(b),
                Statement::If { accept, reject, .. } => inner(accept).or_else(|| inner(reject)),
                Statement::Switch { cases, .. } => cases.iter().find_map(|c| inner(&c.body)),
                Statement::Loop {
                    body, continuing, ..
                } => inner(body).or_else(|| inner(continuing)),
                // Functions stand behind those that they call.
                Statement::Call { function, .. } => {
                    *sum += known.get(function.index()).copied().unwrap_or(0);
                    (*sum > MOST_LENGTH).then_some(*span)
                }
                _ => None,
            }
        })
    }
    let mut known: Vec<usize> = Vec::new();
    module.functions.iter().find_map(|(_, function)| {
        let mut sum = function.expressions.len();
        let span = add(&function.body, &known, &mut sum);
        known.push(sum);
        span
    })
}

/// The first bracket that stands in too many others.
pub(super) fn bracket_too_many(text: &str) -> Option<Span> {
    let plain = without_comments(text);
    let mut depth = 0usize;
    let found = plain.bytes().position(|byte| {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MOST_BRACKETS
    });
    found.map(|at| Span::from(at..at + 1))
}

/// How many levels an operator, a block or `else`, and a bracket are of what naga follows on its stack.
const SIGN: usize = 1;
const BLOCK: usize = 6;
const BRACKET: usize = 7;

/// What a level takes of the stack at most. Measured are 0.6 KiB, and 7 KiB in builds that are not optimised.
const LEVEL: usize = if cfg!(debug_assertions) {
    8 << 10
} else {
    1 << 10
};

/// Bytes that go before the first level.
const FIRST: usize = 128 << 10;

/// The bytes of stack on which a text can be read, whatever its signs mean, and where it takes the most.
pub(super) fn stack_for(text: &str) -> (usize, Span) {
    let plain = without_comments(text);
    // What is open here; `else`s of the function, each of which stands in the one before; operators of the statement; declarations, each
    // of which may need the next.
    let (mut blocks, mut brackets, mut angles) = (0usize, 0usize, 0usize);
    let (mut elses, mut signs, mut declarations) = (0, 0, 0);
    let (mut most, mut at) = (0, 0);
    for (i, byte) in plain.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += BRACKET,
            b')' | b']' => brackets = brackets.saturating_sub(BRACKET),
            b'{' | b'}' | b';' => {
                (signs, angles) = (0, 0);
                match byte {
                    b'{' => blocks += BLOCK,
                    b'}' => blocks = blocks.saturating_sub(BLOCK),
                    _ => {}
                }
                if blocks == 0 {
                    declarations += SIGN;
                    elses = 0;
                }
            }
            b'e' if plain.get(i..).is_some_and(|rest| rest.starts_with("else")) => elses += BLOCK,
            b',' | b'_' => {}
            _ if byte.is_ascii_punctuation() => {
                signs += SIGN;
                match byte {
                    b'<' => angles += BRACKET,
                    b'>' => angles = angles.saturating_sub(BRACKET),
                    _ => {}
                }
            }
            _ => {}
        }
        let here = blocks + brackets + angles + elses + signs + declarations;
        if here > most {
            (most, at) = (here, i);
        }
    }
    (FIRST + most * LEVEL, Span::from(at..at + 1))
}
