//! One of a thing that all threads share, and one for each thread of the data plane, such as connections.
//!
//! A call by a connection that lives on another thread wakes that one to be sent, and is woken by it when the answer is there: against a
//! server nearby that is a third of the call.
//!
//! # Invariants
//!
//! 1. That of a thread is begun once, by the first who wants it there. Nobody has to wait for it: the common one is there from the
//!    beginning.
//! 2. All of them end with the lanes.
//!
//! # Not here
//!
//! Whether that of a thread is ready yet, and what is done until then: who makes it knows.

use std::sync::OnceLock;

use crate::cores::{cores_available, this_core};

/// Threads that have one of their own, at most: so many connections a server is asked for, however large the machine is.
const THREADS_MAX: usize = 16;

/// One that all threads share, and one for each thread of the data plane.
pub struct Lanes<C, O = C> {
    common: C,
    own: Box<[OnceLock<O>]>,
    /// Nothing where all share the common one.
    begin: Option<Begin<O>>,
}

/// Makes that of the thread with this number.
type Begin<O> = Box<dyn Fn(usize) -> O + Send + Sync>;

// === impl Lanes ===

impl<C, O> Lanes<C, O> {
    /// Each thread can have its own beside the common one: `begin` makes it there, from the thread's number.
    pub fn new(common: C, begin: impl Fn(usize) -> O + Send + Sync + 'static) -> Self {
        let own = (0..cores_available().min(THREADS_MAX)).map(|_| OnceLock::new()).collect();
        Self { common, own, begin: Some(Box::new(begin)) }
    }

    /// All threads share this one.
    pub fn shared(common: C) -> Self {
        Self { common, own: Box::default(), begin: None }
    }

    /// The one that all threads share.
    pub fn common(&self) -> &C {
        &self.common
    }

    /// How many threads can have one of their own.
    pub fn threads(&self) -> usize {
        self.own.len()
    }

    /// That of this thread; nothing where there is none but the common one.
    pub fn own(&self) -> Option<&O> {
        let (core, begin) = (this_core()?, self.begin.as_ref()?);
        Some(self.own.get(core)?.get_or_init(|| begin(core)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Cores;

    #[test]
    fn each_thread_of_the_data_plane_begins_its_own_once_and_no_other_thread_does() {
        let begun = Arc::new(AtomicUsize::new(0));
        let begin = {
            let begun = begun.clone();
            move |core| (core, begun.fetch_add(1, Ordering::SeqCst))
        };
        let lanes = Arc::new((Lanes::new("common", begin), Lanes::<_, usize>::shared("common")));
        assert_eq!((lanes.0.own(), lanes.0.common()), (None, &"common"));
        let count = cores_available().min(2);
        let cores = Cores::spawn("lanes", vec![lanes; count], |core, lanes| async move {
            let first = *lanes.0.own().expect("this thread is of the data plane");
            assert_eq!((first.0, lanes.0.own()), (core, Some(&first)));
            assert_eq!((lanes.1.own(), lanes.1.threads()), (None, 0));
        });
        assert_eq!(cores.expect("threads").join(), 0, "no thread panicked");
        assert_eq!(begun.load(Ordering::SeqCst), count);
    }
}
