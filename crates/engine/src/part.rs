//! These are the parts of a component that follow links of their own, though all are in one instance: those that were fused into
//! it, and its imports with a label.
//!
//! ```text
//! import of the whole              getter            while that function runs
//! wasi:keyvalue/store         ─▶   Part(0).acting()  state.bound() is what the first part is bound to
//! part1-wasi:keyvalue/store   ─▶   Part(1).acting()  state.bound() is what the second part is bound to
//! left: wasi:keyvalue/store   ─▶   Part(2).acting()  state.bound() is what the label `left` is bound to
//! ```
//!
//! # Invariants
//!
//! 1. A function of the host acts for the part that imports it: it says so each time that it reaches for its state, so what
//!    another part called meanwhile cannot matter.

use crate::state::State;

/// One part of a component; the first is the component itself: all of it where nothing was fused with it and nothing has a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Part(u8);

/// How a function of the host reaches for its state.
pub type Getter = fn(&mut State) -> &mut State;

/// One for each part.
const GETTERS: [Getter; Part::MAX] = [
    State::acting::<0>,
    State::acting::<1>,
    State::acting::<2>,
    State::acting::<3>,
    State::acting::<4>,
    State::acting::<5>,
    State::acting::<6>,
    State::acting::<7>,
    State::acting::<8>,
    State::acting::<9>,
    State::acting::<10>,
    State::acting::<11>,
    State::acting::<12>,
    State::acting::<13>,
    State::acting::<14>,
    State::acting::<15>,
];

// === impl Part ===

impl Part {
    /// Parts that one component can have.
    pub const MAX: usize = 16;

    /// The component itself, where others were fused with it.
    pub const FIRST: Self = Self(0);

    /// The part of this number, where there can be so many.
    pub const fn new(number: usize) -> Option<Self> {
        // There are fewer than a byte can count.
        if number < Self::MAX { Some(Self(number as u8)) } else { None }
    }

    /// Its number: the first is 0.
    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// What an import of this part is called as an import of the whole, where it is not shared with the others.
    pub fn name(self, import: &str) -> String {
        match self.0 {
            0 => import.to_owned(),
            number => format!("part{number}-{import}"),
        }
    }

    /// How a function that this part imports reaches for its state.
    pub fn acting(self) -> Getter {
        GETTERS[self.number()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_parts_and_no_more() {
        let parts: Vec<_> = (0..).map_while(Part::new).collect();
        assert_eq!(parts.len(), Part::MAX);
        assert!(parts.iter().enumerate().all(|(number, part)| part.number() == number));
        assert_eq!(parts.first(), Some(&Part::FIRST));
    }

    #[test]
    fn only_the_first_part_has_the_names_that_were_there() {
        let names = [0, 1, 7].map(|number| Part::new(number).expect("a part").name("a:b/c@0.1.0"));
        assert_eq!(names, ["a:b/c@0.1.0", "part1-a:b/c@0.1.0", "part7-a:b/c@0.1.0"]);
    }
}
