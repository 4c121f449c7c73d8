//! An invocation as bytes: wRPC over the bus, as wasmCloud 1.x speaks it.
//!
//! A component that calls another on some other host, and an external provider on either side of a call, meet here.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use wire::{Address, Call, Function, Limits, Origin, Remote, Shape, Shapes, Signature, Wire};
//! # async fn example(bus: bus::Bus) -> Result<(), Box<dyn std::error::Error>> {
//! let wire = Wire::open(bus, Limits::default()).await?;
//! let shop = Address { lattice: "default".into(), id: "shop".into() };
//! let text = || Shapes::new(vec![Shape::String]);
//! let signature = Signature { params: text()?, results: text()? };
//! let greet = Remote::new(&shop, &Function::of("my:shop/desk@1.0.0", "greet"), signature)?;
//! let you = [wasmtime::component::Val::String("you".into())];
//! let answer = wire.invoke(&greet, &you, Call::new(Origin::default(), Duration::from_secs(5))).await?;
//! # Ok(()) }
//! ```
//!
//! # Invariants
//!
//! 1. What strangers send costs memory within [`Limits`], whatever it says of itself.
//! 2. An invocation leaves nothing behind, however it ends: no subscription, no task, no room taken.
//! 3. What one of us says in many messages is heard as it was said, or as an error: none of them is lost unnoticed.
//!
//! # Not here
//!
//! Which target a link leads to (`host`), who may call what (`trust`), and how messages travel (`bus`).

mod address;
mod letterhead;
mod limits;
mod origin;
mod refusal;
mod shapes;
mod typed;

mod allowance;
mod brief;
mod flow;
mod inbound;
mod inbox;
mod numbers;
mod outbound;
mod patience;
mod pieces;
mod writer;

mod asked;
mod roster;

mod caller;
mod desk;
mod offer;
mod spied;

mod answering;
mod invoke;
mod lanes;
mod peers;
mod served;
mod streamed;
mod underway;
mod wire;

pub mod http;

pub use address::{Address, Function};
pub use answering::{Answered, Answering, Following};
pub use desk::ServeError;
pub use flow::{ByteStream, FlowError, ItemStream, Later};
pub use invoke::{Again, Call, InvokeError, Remote};
pub use lanes::{Lanes, Servers};
pub use letterhead::Letterhead;
pub use limits::Limits;
pub use origin::Origin;
pub use peers::{Peer, Peers};
pub use refusal::{Reason, Refusal};
pub use roster::Roster;
pub use served::{AnswerError, Invocation, Reply, Served};
pub use shapes::{DecodeError, EncodeError, Reader, Shape, Shapes, Signature, Unsupported};
pub use streamed::{Coming, Streamed, Streaming};
pub use typed::{Decode, Encode, decode, encode};
pub use underway::{Beside, Pending, Underway};
pub use wire::Wire;
pub use writer::WriteError;
