//! Adds to numbers that are kept as text.
//!
//! A number is stored in decimal, as the stores of this family do, so that a component which reads the key sees the number.

use bytes::Bytes;

/// What is to be added, and the range that the sum has to stay in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addend {
    delta: i128,
    min: i128,
    max: i128,
}

/// How an addition ended. A value that is no number is an answer, not an error of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// The number that is there now.
    Is(i128),
    /// The value is not a number; it stays as it was.
    NotANumber,
    /// The sum does not fit; the value stays as it was.
    OutOfRange,
}

// === impl Addend ===

impl Addend {
    /// Adds to a number of 64 bits without a sign.
    pub fn unsigned(delta: u64) -> Self {
        Self { delta: delta.into(), min: 0, max: u64::MAX.into() }
    }

    /// Adds to a number of 64 bits with a sign.
    pub fn signed(delta: i64) -> Self {
        Self { delta: delta.into(), min: i64::MIN.into(), max: i64::MAX.into() }
    }

    /// What is to be added.
    pub(crate) fn delta(self) -> i128 {
        self.delta
    }

    /// What is to be added to a number without a sign; nothing where the number has one.
    pub(crate) fn delta_unsigned(self) -> Option<u64> {
        u64::try_from(self.delta).ok().filter(|_| !self.has_sign())
    }

    /// What is to be added to a number with a sign; nothing where the number has none.
    pub(crate) fn delta_signed(self) -> Option<i64> {
        i64::try_from(self.delta).ok().filter(|_| self.has_sign())
    }

    /// Whether a number below zero is in the range.
    pub(crate) fn has_sign(self) -> bool {
        self.min < 0
    }

    /// The sum with what is stored; nothing stored is zero.
    pub fn add_to(self, stored: Option<&[u8]>) -> Sum {
        let Some(number) = stored.map_or(Some(0), parse) else { return Sum::NotANumber };
        match number.checked_add(self.delta) {
            Some(sum) if (self.min..=self.max).contains(&number) && (self.min..=self.max).contains(&sum) => {
                Sum::Is(sum)
            }
            _ => Sum::OutOfRange,
        }
    }
}

/// A number as it is stored.
pub(crate) fn print(number: i128) -> Bytes {
    number.to_string().into()
}

/// The number that is stored.
pub(crate) fn parse(stored: &[u8]) -> Option<i128> {
    std::str::from_utf8(stored).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_has_a_sign_or_none() {
        for (addend, unsigned, signed) in [
            (Addend::unsigned(u64::MAX), Some(u64::MAX), None),
            (Addend::signed(5), None, Some(5)),
            (Addend::signed(-5), None, Some(-5)),
        ] {
            assert_eq!((addend.delta_unsigned(), addend.delta_signed()), (unsigned, signed), "{addend:?}");
        }
    }

    #[test]
    fn sums_stay_in_their_range() {
        assert_eq!(Addend::unsigned(5).add_to(None), Sum::Is(5));
        assert_eq!(Addend::signed(-5).add_to(Some(b"3")), Sum::Is(-2));
        assert_eq!(Addend::unsigned(1).add_to(Some(b"18446744073709551615")), Sum::OutOfRange);
        assert_eq!(Addend::signed(1).add_to(Some(b"9223372036854775807")), Sum::OutOfRange);
        assert_eq!(Addend::unsigned(9).add_to(Some(b"-3")), Sum::OutOfRange);
        assert_eq!(Addend::unsigned(1).add_to(Some(&[b'9'; 200])), Sum::NotANumber);
        for text in ["", "x", " 1", "1.5", "\u{0}", "0x10"] {
            assert_eq!(Addend::unsigned(1).add_to(Some(text.as_bytes())), Sum::NotANumber, "{text:?}");
        }
    }
}
