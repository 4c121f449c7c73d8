//! What goes wrong with a Redis server, and what that says of the store and of the connection.

use std::string::FromUtf8Error;

use ::redis::RedisError;
use line::NoConnection;
use rt::Late;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is nobody to ask.
    #[error(transparent)]
    NoConnection(#[from] NoConnection),
    /// Nobody answered.
    #[error(transparent)]
    Late(#[from] Late),
    /// The server said so, or the connection broke.
    #[error("the server did not do what it was asked")]
    Asked(#[from] RedisError),
    /// The server answered with something that we cannot have put there.
    #[error(transparent)]
    Odd(#[from] Odd),
    /// The server has to be told to tell.
    #[error("the server does not tell of changes; `redis-cli config set {0} KA` makes it do so")]
    TellsNothing(&'static str),
}

/// Something under our names that is not ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum Odd {
    #[error("a sum is no number")]
    NoNumber,
    #[error("the name of a key is no text")]
    NoText(#[from] FromUtf8Error),
}

// === impl Failure ===

impl Failure {
    /// Whether the server holds as much as it may.
    pub(super) fn is_full(&self) -> bool {
        self.says("OOM command not allowed")
    }

    /// Whether something under our names is not what we put there.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Odd(_)) || self.says("WRONGTYPE Operation")
    }

    /// Whether later calls are better made on another connection: this one is broken, or leads to a server that became a
    /// replica, which its address may not lead to any more.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Late(_) => true,
            Self::Asked(error) => error.is_unrecoverable_error() || error.code() == Some("READONLY"),
            Self::NoConnection(_) | Self::Odd(_) | Self::TellsNothing(_) => false,
        }
    }

    /// Whether the server said this. Redis 6 puts what a script met into a sentence of its own, Redis 7 gives it as it is.
    fn says(&self, words: &str) -> bool {
        let Self::Asked(error) = self else { return false };
        format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default()).contains(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Failure {
        let value = ::redis::parse_redis_value(line.as_bytes()).expect("it is well formed");
        Failure::Asked(value.extract_error().expect_err("it is an error"))
    }

    #[test]
    fn failures_are_told_apart_in_the_words_of_each_version() {
        let full = [
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            "-OOM command not allowed when used memory > 'maxmemory'. script: 84f1, on @user_script:4.\r\n",
            "-ERR Error running script (call to f_84f1): @user_script:4: -OOM command not allowed when used memory\r\n",
        ];
        assert!(full.iter().all(|line| said(line).is_full() && !said(line).is_damage()));
        let damaged = [
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            "-WRONGTYPE Operation against a key holding the wrong kind of value script: 84f1, on @user_script:2.\r\n",
            "-ERR Error running script (call to f_84f1): @user_script:2: WRONGTYPE Operation against a key\r\n",
        ];
        assert!(damaged.iter().all(|line| said(line).is_damage() && !said(line).is_full()));
        let others =
            ["-LOADING Redis is loading the dataset in memory\r\n", "-MISCONF Redis is configured to save\r\n"];
        assert!(others.iter().all(|line| !said(line).is_damage() && !said(line).is_full()));
    }

    #[test]
    fn a_server_that_became_a_replica_ends_the_connection() {
        assert!(said("-READONLY You can't write against a read only replica.\r\n").ends_connection());
        assert!(!said("-BUSY Redis is busy running a script.\r\n").ends_connection());
    }
}
