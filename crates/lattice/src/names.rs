//! What people call a host that nobody gave a name: made from its key, so that it stays.

const FIRST: [&str; 16] = [
    "autumn", "bright", "calm", "clear", "dawn", "early", "golden", "green", "hidden", "late", "misty", "mossy",
    "quiet", "silver", "still", "wild",
];

const SECOND: [&str; 16] = [
    "ash", "birch", "brook", "cedar", "elm", "fern", "field", "hazel", "heath", "hill", "lake", "meadow", "oak",
    "pine", "reed", "willow",
];

/// The name of the host with this key: `quiet-hazel-1234`.
pub(crate) fn made_from(id: &str) -> String {
    let sum =
        id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let word = |words: &[&'static str; 16], shift: u32| words[(sum >> shift) as usize % 16];
    format!("{}-{}-{:04}", word(&FIRST, 8), word(&SECOND, 24), (sum >> 40) % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_name() {
        assert_eq!(made_from("NA"), made_from("NA"));
        assert_ne!(made_from("NA"), made_from("NB"));
    }
}
