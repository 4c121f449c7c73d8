//! Say, ask, listen, keep: messages between hosts, components, the command line and any NATS client, and what all must know.
//!
//! A [`Bus`] is what everyone above uses. What carries it is decided where it is made and seen nowhere else: a [`Broker`], which
//! a [`Loopback`] opens, or a NATS server. What is said is carried at most once; what is put into a [`Bucket`] stays.
//!
//! ```
//! # use std::time::Duration;
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = bus::Bus::in_process(bus::Broker::new(bus::Limits::default()));
//! let mut questions = bus.subscribe("hello.*".parse()?, None).await?;
//! let ask = bus.request("hello.world".parse()?, "who?".into(), Duration::from_secs(1));
//! let answer = async { bus.publish(questions.next().await?.answer("me".into())?).await.ok() };
//! assert_eq!(tokio::join!(ask, answer).0?.payload, "me");
//! # Ok(()) }
//! # tokio::runtime::Runtime::new().expect("a runtime").block_on(example()).expect("it answers");
//! ```
//!
//! # Invariants
//!
//! 1. Nothing reaches a wire but through a checked type: [`Subject`], [`Pattern`], [`QueueGroup`], [`Headers`].
//! 2. Every queue is bounded in messages and bytes; what finds it full is dropped for that subscriber alone, and counted.
//!
//! # Not here
//!
//! What messages and values mean, who may say what, and objects and streams.

mod as_text;
mod bucket;
mod bus;
mod carrier;
mod drops;
mod ear;
mod headers;
mod limits;
mod matching;
mod message;
mod patience;
mod queue;
mod replies;
mod subject;

mod broker;
mod loopback;
mod nats;
mod table;

pub mod sim;

pub use broker::Broker;
pub use bucket::{
    Bucket, BucketError, BucketKey, BucketName, Domain, Durability, Entry, Folder, Keep, Known, Mark, Mirror,
    MirrorError, NameError, NoDurability, NoReplicas, Replicas, Revision, Standing, Told, Watch,
};
pub use bus::{Bus, Gather, RequestError};
pub use carrier::{FlushError, PublishError, SubscribeError};
pub use ear::Listening;
pub use headers::{Headers, HeadersError, Status};
pub use limits::Limits;
pub use loopback::{Loopback, LoopbackConfig, Pass};
pub use message::Message;
pub use nats::{BadFile, ClientCertificate, ConnectError, ConnectOptions, FirstTry, Login, Tls};
pub use patience::patiently;
pub use queue::Subscription;
pub use subject::{Pattern, QueueGroup, Subject, SubjectError};
