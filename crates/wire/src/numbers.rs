//! Numbers of what is said on one path, message by message.
//!
//! The bus carries each message once at most. What it loses while a connection breaks and comes back it tells nobody, and a body
//! without one of its pieces may look whole. So who hears one of us counts:
//!
//! ```text
//! Rc.results.0.0                    the first on a path has no number: there is nothing before it
//! Rc.results.0.0   wattle-piece: 1  so many were said on it before. The end has its number, too
//! ```
//!
//! Strangers do not read it, and say none: what they say is taken as it comes.
//!
//! # Invariants
//!
//! 1. What one of us says on a path and is heard to its end was heard whole, each message once and in its place.
//! 2. A path of one message costs no header: that is an answer which is there soon, and each call.

use bus::Headers;

/// Our own: so many were said on this path before.
const NAME: &str = "wattle-piece";

/// The most that a number takes of a message, in bytes.
pub(crate) const NUMBER_MAX: usize = 48;

/// How much was said on a path.
#[derive(Debug, Default)]
pub(crate) struct Said {
    count: u64,
}

/// How much was heard on a path.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    count: u64,
    is_numbered: bool,
}

// === impl Said ===

impl Said {
    /// The headers of the next message, which counts as said from now on: where it does not get away after all, that is a gap.
    pub(crate) fn next(&mut self) -> Headers {
        let before = self.count;
        self.count += 1;
        match before {
            0 => Headers::default(),
            _ => Headers::of([(NAME, before.to_string().as_str())]).expect("a word and digits make a header"),
        }
    }
}

// === impl Heard ===

impl Heard {
    /// Hears a message with these headers. Says whether it is the next, as far as who says it lets that be known.
    pub(crate) fn hear(&mut self, headers: &Headers) -> bool {
        let before = self.count;
        self.count += 1;
        let Some(number) = headers.get(NAME) else { return !self.is_numbered };
        // One of us begins with it at the second: what came before that without one is one message, not several.
        let is_due = self.is_numbered || before == 1;
        self.is_numbered = true;
        is_due && number.parse() == Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(count: usize) -> Vec<Headers> {
        let mut said = Said::default();
        (0..count).map(|_| said.next()).collect()
    }

    #[test]
    fn whatever_is_lost_doubled_or_out_of_place_what_is_heard_to_its_end_is_what_was_said() {
        let (said, mut whole) = (said(4), 0);
        // All ways in which five messages come that are some of four, the last of which is the end.
        for way in 0..4_usize.pow(5) {
            let came: Vec<usize> = (0..5).map(|place| way / 4_usize.pow(place) % 4).collect();
            let mut heard = Heard::default();
            let taken: Vec<usize> = came.iter().copied().take_while(|number| heard.hear(&said[*number])).collect();
            if let Some(end) = taken.iter().position(|number| *number == 3) {
                assert_eq!(taken[..=end], [0, 1, 2, 3], "{came:?}");
                whole += 1;
            }
        }
        assert_eq!(whole, 4, "whatever comes behind the end");
    }

    #[test]
    fn who_says_no_numbers_is_not_counted_and_who_has_begun_goes_on() {
        let mut heard = Heard::default();
        assert!((0..10).all(|_| heard.hear(&Headers::default())));
        assert!(!heard.hear(&Headers::of([(NAME, "10")]).expect("headers")), "a stranger does not begin with it");
        let mut heard = Heard::default();
        assert!(said(3).iter().all(|headers| heard.hear(headers)));
        assert!(!heard.hear(&Headers::default()));
        for nonsense in ["", "-1", "one", "18446744073709551616"] {
            let mut heard = Heard::default();
            heard.hear(&Headers::default());
            assert!(!heard.hear(&Headers::of([(NAME, nonsense)]).expect("headers")), "{nonsense:?}");
        }
    }

    #[test]
    fn a_number_takes_no_more_than_is_left_for_it() {
        let last = Said { count: u64::MAX - 1 }.next();
        assert_eq!((said(1)[0].as_bytes().len(), last.as_bytes().len()), (0, NUMBER_MAX));
    }
}
