//! This bounds how long something may take, at no cost where it is ready at once.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// It took longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there was no answer within {}", humantime::format_duration(*.0))]
pub struct Late(pub Duration);

/// What `future` comes to, if that is within `limit`. A timer is set only when it is not ready at once.
pub async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Result<T, Late> {
    let mut future = pin!(future);
    let Some(limit) = limit else { return Ok(future.await) };
    let at_once = std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    });
    if let Some(value) = at_once.await {
        return Ok(value);
    }
    tokio::time::timeout(limit, future).await.map_err(|_elapsed| Late(limit))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn what_is_ready_needs_no_runtime() {
        let value = within(Some(Duration::from_secs(1)), ready(7));
        let mut value = pin!(value);
        let polled = value.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert_eq!(polled, Poll::Ready(Ok(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_late() {
        let limit = Duration::from_millis(250);
        let late = within(Some(limit), pending::<()>()).await;
        assert_eq!(late, Err(Late(limit)));
        assert_eq!(Late(limit).to_string(), "there was no answer within 250ms");
    }
}
