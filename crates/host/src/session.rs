//! This is an instance of a callee that a caller's instance keeps, because it holds handles to what is in it.
//!
//! A handle is the callee's own, in the callee's store; the caller has a number in its place. So all calls of an interface with
//! resources go from one instance of the caller to one instance of the callee, for as long as the former lives.
//!
//! # Invariants
//!
//! 1. A number stands for one handle for ever: one whose session ended is an error, never another handle.
//! 2. A session without handles is not kept when the callee was linked anew: the next call sees the new one.
//! 3. One call at a time: while a session answers, it is out of its caller's reach.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use engine::State;
use model::ComponentName;
use wasmtime::StoreContextMut;
use wasmtime::component::{Resource, ResourceAny};

use crate::callee::{Call, Called, Callee, Caller, Slot, Values};
use crate::shim::pass_handles;

/// What a caller holds a handle to, as its own store knows it: by a number.
pub(crate) struct Passed;

/// The sessions of one instance of a caller.
#[derive(Default)]
struct Sessions {
    /// Nothing stands for a session that is answering.
    by_callee: BTreeMap<ComponentName, Option<Session>>,
    next: u32,
    /// Ends with the instance.
    life: Arc<()>,
}

/// An instance of a callee, and what its caller holds handles to.
struct Session {
    callee: Arc<Callee>,
    called: Called,
    handles: HashMap<u32, ResourceAny>,
}

/// The caller cannot be given what it asks for.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("what it holds a handle to ended with an instance of {0} that failed")]
    Ended(ComponentName),
    #[error("the instance of {0} that it holds handles to is answering another call")]
    Answering(ComponentName),
}

/// Calls a function in the session of the calling instance with `slot`. Without a session it begins one.
pub(crate) async fn call(
    slot: &Slot,
    mut store: StoreContextMut<'_, State>,
    mut call: Call<'_>,
    values: Values<'_>,
) -> wasmtime::Result<()> {
    let callee = slot.callee(&mut call.caller)?;
    let caller = &call.caller;
    let Values { params, results } = values;
    let counted = callee.clone();
    let place = slot.place(&counted)?;
    let mut session = match sessions(&mut store).take(slot.name())? {
        Some(session) if !session.handles.is_empty() || Arc::ptr_eq(&session.callee, &callee) => session,
        _ => {
            let called = callee.take(caller).await.map_err(|failure| slot.failed(failure, caller))?;
            Session { callee, called, handles: HashMap::new() }
        }
    };
    let params = params.iter().map(|value| {
        pass_handles(value, &mut |handle| {
            let is_given = handle.owned();
            let number = handle.try_into_resource::<Passed>(&mut store)?.rep();
            let there = if is_given { session.handles.remove(&number) } else { session.handles.get(&number).copied() };
            there.ok_or_else(|| SessionError::Ended(slot.name().clone()).into())
        })
    });
    let params = params.collect::<wasmtime::Result<Vec<_>>>()?;
    session.called.begin(&session.callee, caller);
    let outcome = session.called.call(&session.callee, &call, Values { params: &params, results: &mut *results }).await;
    session.called.rest();
    drop(place);
    if let Err(ended) = outcome {
        sessions(&mut store).by_callee.remove(slot.name());
        return Err(slot.error(ended, &call));
    }
    for result in results.iter_mut() {
        *result = pass_handles(result, &mut |handle| {
            let number = sessions(&mut store).number();
            session.handles.insert(number, handle);
            Resource::<Passed>::new_own(number).try_into_resource_any(&mut store)
        })?;
    }
    sessions(&mut store).put_back(slot.name(), session);
    Ok(())
}

/// The caller let go of what this number stands for.
pub(crate) async fn drop_handle(
    slot: &Slot,
    mut store: StoreContextMut<'_, State>,
    number: u32,
) -> wasmtime::Result<()> {
    let caller = Caller::of(store.data(), None);
    let Some(mut session) = sessions(&mut store).take(slot.name())? else { return Ok(()) };
    if let Some(handle) = session.handles.remove(&number) {
        session.called.begin(&session.callee, &caller);
        // What fails in letting go ends the session, and is no error of the caller.
        if session.called.drop_handle(handle).await.is_err() {
            sessions(&mut store).by_callee.remove(slot.name());
            return Ok(());
        }
        session.called.rest();
    }
    sessions(&mut store).put_back(slot.name(), session);
    Ok(())
}

/// What is gone as soon as the instance is: before all else that is in its store.
pub(crate) fn life(store: &mut StoreContextMut<'_, State>) -> Weak<()> {
    Arc::downgrade(&sessions(store).life)
}

fn sessions<'a>(store: &'a mut StoreContextMut<'_, State>) -> &'a mut Sessions {
    let kept = store.data_mut().kept.get_or_insert_with(|| Box::new(Sessions::default()));
    kept.downcast_mut().expect("nothing else is kept for an instance")
}

// === impl Sessions ===

impl Sessions {
    /// The session with a callee, which is answering from now on.
    fn take(&mut self, callee: &ComponentName) -> Result<Option<Session>, SessionError> {
        match self.by_callee.get_mut(callee) {
            None => Ok(None),
            Some(session) => session.take().map(Some).ok_or_else(|| SessionError::Answering(callee.clone())),
        }
    }

    fn put_back(&mut self, callee: &ComponentName, session: Session) {
        self.by_callee.insert(callee.clone(), Some(session));
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }
}
