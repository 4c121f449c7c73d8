//! Waiting for what a bus takes a moment to have.

use std::time::Duration;

use stdx::Chain;

/// What failed is tried again after so long.
const AGAIN: Duration = Duration::from_millis(250);

/// So many attempts fail before it is said.
const COMPLAIN_AFTER: u32 = 10;

/// Tries until it is done. Where that takes long, it is said once what is not so yet, and why.
pub async fn patiently<T, E, F>(not_yet: &str, mut attempt: impl FnMut() -> F) -> T
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let mut failed = 0;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) if failed == COMPLAIN_AFTER => tracing::warn!(error = %Chain(&error), "{not_yet}"),
            Err(_) => {}
        }
        failed += 1;
        tokio::time::sleep(AGAIN).await;
    }
}
