//! Questions of our own, beside those of the control interface: a host answers with what was asked for, or refuses as its own
//! command line would.

use std::time::Duration;

use bus::Message;
use model::{Answer, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stdx::{Code, Explain};

use super::{Reached, no_host};
use crate::failure::Failure;

/// A host's refusal, as if it had been found out here.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Refused {
    code: Code,
    text: String,
}

impl Reached {
    /// Asks about a subject. Where nobody listens, the code of the failure is E0701.
    pub(crate) async fn question<A: DeserializeOwned>(
        &self,
        subject: &str,
        question: &impl Serialize,
        timeout: Duration,
    ) -> Result<A, Failure> {
        let payload = serde_json::to_vec(question).expect("a question is a value");
        let answer = self.bus.request(subject.parse()?, payload.into(), timeout).await.map_err(no_host)?;
        read(&answer)
    }
}

fn read<A: DeserializeOwned>(answer: &Message) -> Result<A, Failure> {
    let unreadable = |error| {
        Failure::new(Code::E0203, format!("the host's answer cannot be read; is it of another version? {error}"))
    };
    match serde_json::from_slice(&answer.payload).map_err(unreadable)? {
        Answer::Ok(answer) => Ok(answer),
        Answer::Refused(refusal) => Err(Refused::from(refusal).into()),
    }
}

// === impl Refused ===

impl From<Refusal> for Refused {
    fn from(Refusal { code, text }: Refusal) -> Self {
        let known = Code::ALL.iter().copied().find(|known| known.to_string() == code);
        Self { code: known.unwrap_or(Code::E0203), text }
    }
}

impl Explain for Refused {
    fn code(&self) -> Code {
        self.code
    }
}
