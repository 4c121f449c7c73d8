//! Says what several rounds of one figure come to: the median, and how far the rounds lay apart.
//!
//! On a shared machine one round says little and an absolute number less. What holds is the ratio of two arms that were
//! measured in the same round, taken before the median and not after it.
//!
//! # Invariants
//!
//! 1. A ratio is made of two figures of one round; a round that lacks either gives none.

/// The median of some rounds, and the least and the greatest of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// What the rounds come to; nothing where there are none.
pub(crate) fn spread(rounds: &[Option<f64>]) -> Option<Spread> {
    let mut values: Vec<f64> = rounds.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median =
        if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] };
    Some(Spread { median, min, max })
}

/// Each round of one arm, divided by the same round of another.
pub(crate) fn ratios(rounds: &[Option<f64>], reference: &[Option<f64>]) -> Vec<Option<f64>> {
    let ratio = |(value, reference): (&Option<f64>, &Option<f64>)| Some((*value)? / (*reference)?);
    rounds.iter().zip(reference).map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::{Spread, ratios, spread};

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_the_two_in_the_middle() {
        assert_eq!(
            spread(&[Some(4.0), Some(1.0), Some(3.0), Some(2.0)]),
            Some(Spread { median: 2.5, min: 1.0, max: 4.0 })
        );
        assert_eq!(spread(&[Some(9.0), Some(1.0), Some(2.0)]), Some(Spread { median: 2.0, min: 1.0, max: 9.0 }));
    }

    #[test]
    fn rounds_that_failed_are_left_out() {
        assert_eq!(spread(&[None, Some(2.0), Some(f64::INFINITY)]), Some(Spread { median: 2.0, min: 2.0, max: 2.0 }));
        assert_eq!(spread(&[None]), None);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let ours = [Some(10.0), Some(40.0), None, Some(1.0)];
        let theirs = [Some(20.0), Some(80.0), Some(5.0), None];
        assert_eq!(ratios(&ours, &theirs), [Some(0.5), Some(0.5), None, None]);
        assert_eq!(spread(&ratios(&ours, &theirs)), Some(Spread { median: 0.5, min: 0.5, max: 0.5 }));
    }
}
