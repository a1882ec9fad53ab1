//! How much is verified.

/// How many cases of everything are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Extent {
    /// A few of the quick ones of every loss and of all else, where compiling kernels takes long.
    Small,
    /// No large sizes, and what can be combined only in turn.
    Quick,
    /// All of them.
    #[default]
    Full,
}

/// About how many cases of a kind are few.
const FEW: usize = 2;

impl Extent {
    /// All extents, from the smallest.
    pub const ALL: [Extent; 3] = [Extent::Small, Extent::Quick, Extent::Full];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Extent::Small => "small",
            Extent::Quick => "quick",
            Extent::Full => "full",
        }
    }

    /// Whether large sizes and most combinations are left out.
    pub(super) fn quick(self) -> bool {
        self != Extent::Full
    }

    /// What is gone through of the quick cases of what is called `name`, or of all of them. Few are taken from all over the list, and from
    /// another beginning by every name, so that those of all losses together are of every kind.
    pub(super) fn some<T>(self, cases: Vec<T>, name: &str) -> Vec<T> {
        if self != Extent::Small {
            return cases;
        }
        // Lists repeat themselves by twos and fours.
        let step = (cases.len() / FEW) | 1;
        let turn: usize = name.bytes().map(usize::from).sum();
        cases.into_iter().skip(turn % step).step_by(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_taken_from_all_over() {
        let list = |n: usize| (0..n).collect::<Vec<_>>();
        for n in 1..200 {
            assert_eq!(Extent::Quick.some(list(n), "a"), list(n));
            let mut seen: Vec<usize> = (0..n)
                .flat_map(|turn| {
                    let few = Extent::Small.some(list(n), &"\u{1}".repeat(turn));
                    assert!(!few.is_empty() && few.len() <= 2 * FEW, "{n}: {few:?}");
                    few
                })
                .collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, list(n));
        }
    }
}
