//! These are the changes that have to be made in one step, as scripts that the server runs.
//!
//! A script is named by its digest; a server that does not know it, since it was restarted or told to forget, is sent the
//! whole of it. Nothing comes between the parts of a script, and what it changed is written to the server's log as one.
//!
//! # Invariants
//!
//! 1. The first thing that a script writes is the index. What may be refused (no memory, no sorted set) is refused there, when
//!    nothing was changed yet.
//! 2. All keys of a script are of one bucket.

use std::sync::LazyLock;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};

/// A script, and its digest.
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

/// Makes changes in their order. Keys: the index, then a value each. Others: a letter for each change, then for `p` (put) the
/// name and the value, for `d` (delete) the name.
pub(super) static APPLY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local index, at = KEYS[1], 2
        for change = 1, #ARGV[1] do
            local key, name = KEYS[change + 1], ARGV[at]
            if string.sub(ARGV[1], change, change) == 'p' then
                redis.call('ZADD', index, 0, name)
                redis.call('SET', key, ARGV[at + 1])
                at = at + 2
            else
                redis.call('ZREM', index, name)
                redis.call('DEL', key)
                at = at + 1
            end
        end
        return 1",
    )
});

/// Writes a value if another one is there, or none. Keys: the index, the value. Others: the name, the new value, and the old
/// one if there is to be one. Answers 1, or 0 where something else was there.
pub(super) static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[2]) ~= (ARGV[3] or false) then return 0 end
        redis.call('ZADD', KEYS[1], 0, ARGV[1])
        redis.call('SET', KEYS[2], ARGV[2])
        return 1",
    )
});

/// Adds a number of at most 18 digits to one of at most 18 digits. Keys: the index, the value. Others: the name, the number,
/// and `s` where there may be numbers below zero. Answers 1 and the sum; or 0 and what is there, where that is anything else:
/// numbers are floating ones in a script, and the server's own have 64 bits and a sign.
pub(super) static INCREMENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = redis.call('GET', KEYS[2])
        if now and now ~= '0' then
            local sign, digits = string.match(now, '^(%-?)([1-9]%d*)$')
            if not digits or #digits > 18 or (sign == '-' and ARGV[3] ~= 's') then return {0, now} end
        end
        redis.call('ZADD', KEYS[1], 0, ARGV[1])
        redis.call('INCRBY', KEYS[2], ARGV[2])
        return {1, redis.call('GET', KEYS[2])}",
    )
});

// === impl Script ===

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, digest: ::redis::Script::new(text).get_hash().to_owned() }
    }

    /// Runs it: one round trip, or two where the server does not know it.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &[&[u8]],
        others: &[&[u8]],
    ) -> Result<T, RedisError> {
        match command("EVALSHA", &self.digest, keys, others).query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", self.text, keys, others).query_async(connection).await
            }
            outcome => outcome,
        }
    }
}

fn command(verb: &str, script: &str, keys: &[&[u8]], others: &[&[u8]]) -> Cmd {
    let size = keys.iter().chain(others).map(|argument| argument.len()).sum::<usize>();
    let mut command = Cmd::with_capacity(3 + keys.len() + others.len(), size + script.len() + 16);
    command.arg(verb).arg(script).arg(keys.len()).arg(keys).arg(others);
    command
}
