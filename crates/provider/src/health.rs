//! Decides what is said of a provider's health: from what it answers to what is to be told.

/// What a provider answered when it was asked how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is well.
    Healthy,
    /// It is not, or its process has ended by itself.
    Unhealthy,
    /// It did not answer: that says nothing.
    Silent,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is well, and was not or was not known to be.
    Passed,
    /// It was well, and is not.
    Failed,
    /// It is as it was.
    Status,
}

/// What is known of the health of a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    is_healthy: bool,
}

// === impl Health ===

impl Health {
    /// Learns an answer. Says what is to be told, if anything.
    pub fn step(&mut self, answer: Answer) -> Option<Verdict> {
        let is_healthy = match answer {
            Answer::Healthy => true,
            Answer::Unhealthy => false,
            Answer::Silent => return None,
        };
        let was_healthy = std::mem::replace(&mut self.is_healthy, is_healthy);
        Some(match (was_healthy, is_healthy) {
            (false, true) => Verdict::Passed,
            (true, false) => Verdict::Failed,
            (false, false) | (true, true) => Verdict::Status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_as_one_and_silence_is_no_answer() {
        use Answer::{Healthy, Silent, Unhealthy};
        let mut health = Health::default();
        let answers = [Silent, Unhealthy, Healthy, Silent, Healthy, Unhealthy, Unhealthy, Healthy];
        let told: Vec<_> = answers.into_iter().map(|answer| health.step(answer)).collect();
        let (passed, failed, status) = (Some(Verdict::Passed), Some(Verdict::Failed), Some(Verdict::Status));
        assert_eq!(told, [None, status, passed, None, status, failed, status, passed]);
    }
}
