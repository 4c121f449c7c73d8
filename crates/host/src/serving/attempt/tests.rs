//! How calls are counted and said, by a clock that stands still until somebody waits for it.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tracing::subscriber::set_default;
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::*;

/// For how long a call may take here.
const TIME: Duration = Duration::from_secs(10);

/// Counts the warnings of this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_late_call_is_counted_and_said_once_whoever_ends_it() {
    let warnings = Warnings::default();
    let _kept = set_default(warnings.clone());
    let (component, counts) = ("vault".parse().expect("a name"), CallCounts::default());
    let begin = || Attempt::begin((&component, "wasi:keyvalue/store"), &counts, None, TIME);
    // How many ended well, failed, were abandoned, and were said.
    let seen = || {
        let [ended, failed, abandoned] = counts.totals().map(|(_, count)| count);
        (ended, failed, abandoned, warnings.0.load(Ordering::Relaxed))
    };

    begin().make(pending()).await.expect_err("its own limit ends it");
    assert_eq!(seen(), (0, 1, 0, 1));
    within(Some(TIME), begin().make(pending())).await.expect_err("whoever waits for it ends it");
    assert_eq!(seen(), (0, 2, 0, 2));
    let a_moment = Duration::from_millis(20);
    within(Some(TIME - a_moment), begin().make(pending())).await.expect_err("he had waited for a place before");
    assert_eq!(seen(), (0, 3, 0, 3));

    within(Some(TIME / 2), begin().make(pending())).await.expect_err("he gives it up");
    assert_eq!(seen(), (0, 3, 1, 3));
    begin().make(ready(Err(wasmtime::Error::msg("unreachable")))).await.expect_err("it fails");
    assert_eq!(seen(), (0, 4, 1, 4));
    let answer = begin().make(ready(Ok(())));
    within(Some(TIME), answer).await.expect("it is in time").expect("it ends well");
    assert_eq!(seen(), (1, 4, 1, 4));
}
