//! The voice of a component: what it says, as lines, no more of them than a second has room for.

use std::sync::Arc;
use std::time::Instant;

use model::ComponentName;

use crate::rate::{LINES_PER_SECOND, Rate, Verdict};
use crate::{Kind, LogLine, Occasion, Sink};

/// What one component says, whichever way it says it.
pub struct Voice {
    pub(crate) component: ComponentName,
    sink: Arc<dyn Sink>,
    rate: Rate,
    since: Instant,
}

// === impl Voice ===

impl Voice {
    pub(crate) fn new(component: ComponentName, sink: Arc<dyn Sink>) -> Self {
        Self { component, sink, rate: Rate::default(), since: Instant::now() }
    }

    /// Says a line, if the component has not said too many in this second.
    pub fn say(&self, kind: Kind, context: &str, message: &str) {
        self.say_on(Occasion::default(), kind, (context, message));
    }

    /// The same, with what it is said for.
    pub(crate) fn say_on(&self, occasion: Occasion<'_>, kind: Kind, (context, message): (&str, &str)) {
        let line = LogLine { component: &self.component, kind, occasion, context, message };
        self.say_at(self.since.elapsed().as_secs(), &line);
    }

    /// Lines that were left out since the component was bound.
    pub fn dropped(&self) -> u64 {
        self.rate.dropped()
    }

    pub(crate) fn say_at(&self, second: u64, line: &LogLine<'_>) {
        match self.rate.admit(second) {
            Verdict::Say => {}
            Verdict::SayAfter { dropped } => self.notice(&format!("{dropped} lines were left out")),
            Verdict::BeginToDrop => {
                return self.notice(&format!("more than {LINES_PER_SECOND} lines a second: leaving out the rest"));
            }
            Verdict::Drop => return,
        }
        self.sink.write(line);
    }

    fn notice(&self, message: &str) {
        let (kind, occasion) = (Kind::Notice, Occasion::default());
        self.sink.write(&LogLine { component: &self.component, kind, occasion, context: "", message });
    }
}
