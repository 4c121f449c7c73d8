//! The stores, each held to what any store has to promise.
//!
//! The second half of the suite says the same of the contract as a component sees it: `guest::tests`.

mod promises;

use std::sync::Arc;

use bytes::Bytes;
use model::ComponentName;
use tempfile::TempDir;

use crate::disk::Disk;
use crate::memory::Memory;
use crate::{Page, Scope, Store};

/// An empty store, with the folder that goes away after it.
pub(crate) struct Fresh {
    pub(crate) store: Arc<dyn Store>,
    _folder: Option<TempDir>,
}

impl Fresh {
    pub(crate) fn memory() -> Self {
        Self { store: Arc::new(Memory::default()), _folder: None }
    }

    pub(crate) fn disk() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let store = Arc::new(Disk::open(folder.path()).expect("an empty folder opens"));
        Self { store, _folder: Some(folder) }
    }

    pub(crate) async fn value(&self, scope: &Scope, name: &str) -> Option<Bytes> {
        self.store.get(&scope.key(name)).await.expect("the store answers")
    }

    pub(crate) async fn put(&self, scope: &Scope, name: &str, value: impl Into<Bytes>) {
        self.store.put(&scope.key(name), value.into()).await.expect("the store writes");
    }

    pub(crate) async fn page(&self, scope: &Scope, after: Option<&str>, count_max: usize) -> Vec<String> {
        self.store.list(scope, Page { after, count_max }).await.expect("the store answers")
    }
}

pub(crate) fn scope(component: &str, bucket: &str) -> Scope {
    let component: ComponentName = component.parse().expect("a name");
    Scope::new(&component, bucket)
}

capability::conformance! {
    promises over Fresh [
        an_absent_key_has_no_value,
        a_value_is_read_as_it_was_written,
        the_last_write_counts,
        deleting_twice_is_deleting_once,
        odd_names_are_names_like_any_other,
        no_scope_sees_another,
        the_bucket_without_a_name_is_the_default_one,
        pages_give_each_key_once_and_in_order,
        changes_are_made_in_their_order,
        many_increments_at_once_all_count,
        an_increment_that_cannot_be_made_changes_nothing,
        of_many_swaps_from_one_value_one_wins,
        a_swap_sees_that_the_value_is_gone_or_new,
        what_is_acknowledged_is_seen_by_all_threads,
    ] {
        memory => Fresh::memory(),
        disk => Fresh::disk(),
    }
}
