//! This is the way out of a component's HTTP requests, as a door that someone else guards.
//!
//! The engine knows the shape of `wasi:http`; who may call whom is decided behind [`Egress`], by the capability that binds it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use http::{HeaderName, Request, Response};
use stdx::Trace;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use crate::state::Bound;
use crate::trace;

/// How the transmission of a request or response ended.
pub type Transmission = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// An answer to a request of a component, with the future that drives its connection.
pub type Answer = Pin<Box<dyn Future<Output = Result<(Response<WasiBody>, Transmission), Error>> + Send>>;

/// Sends the HTTP requests that components make, or refuses to.
pub trait Egress: Send + Sync {
    /// Sends one request. A refusal is an error of `wasi:http`, which the component sees.
    fn send(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Answer;
}

/// Sends nothing: the answer to a component that was bound to no way out.
#[derive(Debug, Clone, Copy)]
pub struct NoEgress;

impl Egress for NoEgress {
    fn send(&self, _: Request<WasiBody>, _: Option<RequestOptions>) -> Answer {
        Box::pin(async { Err(Error::HttpRequestDenied) })
    }
}

/// What the engine's `wasi:http` asks its host. All parts of a fused component send their requests by the first one's egress.
pub(crate) struct Hooks {
    bound: Arc<Bound>,
    /// That the requests of the current invocation are a part of.
    pub(crate) trace: Option<Trace>,
}

/// The names that no component sees or sets. As the constant that they come from they would be made anew for each header.
static FORBIDDEN: [HeaderName; 9] = DEFAULT_FORBIDDEN_HEADERS;

/// Made once: the default of the library allocates one for each header map.
static FILTER: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(is_forbidden));

fn is_forbidden(name: &HeaderName) -> bool {
    FORBIDDEN.contains(name)
}

impl Hooks {
    pub(crate) fn new(bound: Arc<Bound>) -> Self {
        Self { bound, trace: None }
    }

    pub(crate) fn bound(&self) -> &Arc<Bound> {
        &self.bound
    }
}

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        FILTER.clone()
    }

    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<
        dyn Future<Output = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>>
            + Send,
    > {
        // The library hands over a future that reports how the component's body ended; its own default drops it too.
        drop(sent);
        if let Some(trace) = &self.trace {
            trace::add(trace, request.headers_mut());
        }
        let answer = self.bound.egress().send(request, options);
        Box::new(async move {
            let (response, transmission) = answer.await?;
            Ok((response, Box::new(transmission) as Box<_>))
        })
    }
}
