//! These are the backends: a new one is a file and a line here.

use capability::Backends;

use crate::disk::DiskBackend;
use crate::memory::MemoryBackend;
use crate::nats::NatsBackend;
use crate::redis::RedisBackend;
use crate::store::Store;

/// What a link can name. The first is what a component gets that has no link.
pub const BACKENDS: Backends<dyn Store> = Backends(&[&DiskBackend, &MemoryBackend, &RedisBackend, &NatsBackend]);
