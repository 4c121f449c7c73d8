//! Waits for what happens in another process.

use std::time::{Duration, Instant};

/// How long anything may take before a test fails of it: long enough for a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again and again until the answer is yes.
///
/// # Panics
///
/// Where it is not within [`PATIENCE`].
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_condition_is_asked_until_it_holds() {
        let mut asked = 0;
        super::eventually("the third time", || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
    }
}
