//! Runs one suite over each backend of a capability.
//!
//! The suite of a contract is a module of async functions, each of which takes a fresh backend and asserts one promise.
//! [`conformance!`](crate::conformance!) makes a test of each pair of promise and backend. A new backend is one line there and
//! writes no tests; a promise that is not listed is dead code, and the compiler says so.
//!
//! ```
//! mod suite {
//!     pub async fn nothing_is_there_at_first(store: Vec<u8>) {
//!         assert!(store.is_empty());
//!     }
//! }
//!
//! capability::conformance! {
//!     suite over Vec<u8> [nothing_is_there_at_first] {
//!         new => Vec::new(),
//!         roomy => Vec::with_capacity(10),
//!     }
//! }
//! ```

mod links;

use std::future::Future;
use std::sync::Arc;

use engine::{Bound, Limits, NoEgress, State};
use model::ComponentName;
use wasmtime_wasi::WasiCtxBuilder;

use model::{LinkName, Terms};

use crate::{Capability, OpenLink, Opened};

pub use links::links;

/// Runs a promise to its end on a runtime of its own.
///
/// # Panics
///
/// Where the promise is broken, or the system gives no runtime.
pub fn run<T>(promise: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a runtime")
        .block_on(promise)
}

/// The state of an instance of a component that is bound to one capability by these links.
///
/// # Panics
///
/// Where `component` is no name.
pub fn state(capability: &dyn Capability, component: &str, links: &[OpenLink]) -> State {
    let component: ComponentName = component.parse().expect("a test names its components well");
    let mut bound = Bound::new(Arc::new(NoEgress));
    capability.bind(&component, links, &mut bound);
    State::new(&mut WasiCtxBuilder::new(), &Arc::new(Limits::default()), Arc::new(bound))
}

/// The one link to what `target` holds, on the default terms.
pub fn link<T: ?Sized + Send + Sync + 'static>(target: Arc<T>) -> OpenLink {
    OpenLink { name: LinkName::default(), terms: Terms::default(), target: Some(Opened::new(target)) }
}

/// Makes a test of each promise of a suite for each backend. See [the module](crate::conformance).
#[macro_export]
macro_rules! conformance {
    ($suite:ident over $backend_type:ty [$($promise:ident),* $(,)?] {}) => {};
    ($suite:ident over $backend_type:ty [$($promise:ident),* $(,)?] { $backend:ident => $open:expr, $($rest:tt)* }) => {
        mod $backend {
            use super::*;

            fn open() -> $backend_type {
                $open
            }

            $(
                #[test]
                fn $promise() {
                    $crate::conformance::run(super::$suite::$promise(open()));
                }
            )*
        }

        $crate::conformance! { $suite over $backend_type [$($promise),*] { $($rest)* } }
    };
}
