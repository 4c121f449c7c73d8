//! Reads PostgreSQL's exact numbers, as they are sent: digits to the base of 10,000 (`numeric_send` of its source,
//! `src/backend/utils/adt/numeric.c`).
//!
//! | bytes | |
//! | --- | --- |
//! | 2 | how many digits follow |
//! | 2, signed | which power of 10,000 the first digit counts |
//! | 2 | `0000` positive, `4000` negative, `C000` not a number, `D000` and `F000` the infinities |
//! | 2 | how many decimal places are shown |
//! | 2 each | the digits |

use std::fmt::Write as _;

/// The number in digits; nothing where the bytes are none.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks(2).map(|word| word.try_into().map(u16::from_be_bytes).ok());
    let mut word = || words.next().flatten();
    let (count, weight, sign, places) = (usize::from(word()?), word()?.cast_signed(), word()?, usize::from(word()?));
    let digits: Vec<u16> = (0..count).map(|_| word().filter(|digit| *digit < 10_000)).collect::<Option<_>>()?;
    let mut text = String::new();
    match sign {
        0x0000 => {}
        0x4000 => text.push('-'),
        0xC000 => return Some("NaN".into()),
        0xD000 => return Some("Infinity".into()),
        0xF000 => return Some("-Infinity".into()),
        _ => return None,
    }
    let digit = |power: i32| {
        let index = usize::try_from(i32::from(weight) - power).ok();
        index.and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    let highest = i32::from(weight).max(0);
    write!(text, "{}", digit(highest)).ok()?;
    (0..highest).rev().try_for_each(|power| write!(text, "{:04}", digit(power))).ok()?;
    if places > 0 {
        let groups = i32::try_from(places.div_ceil(4)).ok()?;
        let fraction: String = (1..=groups).map(|group| format!("{:04}", digit(-group))).collect();
        write!(text, ".{}", &fraction[..places]).ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_are_read_with_all_their_digits() {
        for (words, number) in [
            (&[0, 0, 0, 0][..], "0"),
            (&[1, 0, 0, 0, 7], "7"),
            (&[2, 0, 0x4000, 2, 12, 5000], "-12.50"),
            (&[1, 0xffff, 0, 3, 10], "0.001"),
            (&[1, 0xfffe, 0, 8, 1], "0.00000001"),
            (&[1, 2, 0, 0, 3], "300000000"),
            (&[3, 1, 0, 1, 1, 2, 3000], "10002.3"),
            (&[0, 0, 0xC000, 0], "NaN"),
            (&[0, 0, 0xF000, 0], "-Infinity"),
        ] {
            assert_eq!(text(&sent(words)).as_deref(), Some(number));
        }
        for nonsense in [&[][..], &[1, 0, 0, 0], &[1, 0, 0, 0, 10_000], &[0, 0, 1, 0]] {
            assert_eq!(text(&sent(nonsense)), None);
        }
        assert_eq!(text(&[0, 1, 0]), None);
    }
}
