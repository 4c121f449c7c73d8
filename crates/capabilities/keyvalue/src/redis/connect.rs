//! Connects to a Redis server, and says why it is not to be had.

use std::future::Future;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::io::tcp::socket2::TcpKeepalive;
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    PushInfo, PushKind, RedisError, cmd,
};
use line::{ConnectError, Dial, Lanes, Loss};
use stdx::BoxError;

use super::Redis;
use super::failure::Failure;
use super::names::Prefix;

/// Where a server is and how to talk to it.
#[derive(Clone)]
pub struct Options {
    /// `redis://` or `rediss://`, with a user and the number of a database where there are such.
    pub url: String,
    /// Goes before the one in the address.
    pub password: Option<String>,
    /// What all names begin with, for several stores on one server. No braces.
    pub prefix: String,
    /// For one call.
    pub timeout: Duration,
    /// For one attempt to connect.
    pub connect_timeout: Duration,
}

/// Knows the server and what to tell it.
pub(super) struct Server {
    client: Client,
    connect_timeout: Duration,
}

/// Connects, and answers once the server has answered.
pub(super) async fn connect(options: &Options) -> Result<Redis, ConnectError> {
    let prefix = Prefix::new(&options.prefix).map_err(|error| ConnectError::Refused(error.into()))?;
    let server = Server::new(options).map_err(of_server)?;
    let described = format!("redis {} {}", server.address(), options.prefix);
    let client = server.client.clone();
    let lines = Lanes::open(server).await.map_err(classify)?;
    let store = Redis { described, prefix, timeout: options.timeout, lines, client };
    match store.ask::<()>(&cmd("PING")).await {
        Ok(()) => Ok(store),
        Err(Failure::Asked(error)) => Err(of_server(error)),
        Err(failure) => Err(ConnectError::Unavailable(failure.into())),
    }
}

fn classify(error: BoxError) -> ConnectError {
    match error.downcast() {
        Ok(error) => of_server(*error),
        Err(error) => ConnectError::Unavailable(error),
    }
}

fn of_server(error: RedisError) -> ConnectError {
    let is_ours = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig | ErrorKind::RESP3NotSupported
    );
    // What a server says to a greeting that it does not like, such as a database that it does not have, begins with `ERR`.
    if is_ours || matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM" | "ERR")) {
        ConnectError::Refused(error.into())
    } else {
        ConnectError::Unavailable(error.into())
    }
}

// === impl Server ===

impl Server {
    fn new(options: &Options) -> Result<Self, RedisError> {
        let told = options.url.as_str().into_connection_info()?;
        let mut login = told.redis_settings().clone();
        if let Some(password) = &options.password {
            login = login.set_password(password);
        }
        // With this version of the protocol the end of a connection is told of at once, not to the next who uses it.
        login = login.set_protocol(ProtocolVersion::RESP3);
        let told = with_timeouts(told, options.timeout).set_redis_settings(login);
        Ok(Self { client: Client::open(told)?, connect_timeout: options.connect_timeout })
    }

    /// Where it is, without who logs in.
    fn address(&self) -> String {
        let info = self.client.get_connection_info();
        let scheme = if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) { "rediss" } else { "redis" };
        format!("{scheme}://{}/{}", info.addr(), info.redis_settings().db())
    }
}

/// A peer that takes no byte for so long is gone: the machine went down, or something on the way forgot about us.
fn with_timeouts(info: ConnectionInfo, timeout: Duration) -> ConnectionInfo {
    // The system counts these in whole seconds, and takes no zero.
    let silence = timeout.max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(silence).with_interval(silence);
    let settings = info.tcp_settings().clone().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(timeout);
    info.set_tcp_settings(settings)
}

impl Dial for Server {
    type Connection = MultiplexedConnection;

    fn dial(
        &self,
        loss: Loss<MultiplexedConnection>,
    ) -> impl Future<Output = Result<MultiplexedConnection, BoxError>> + Send {
        let tell = move |told: PushInfo| -> Result<(), ()> {
            if told.kind == PushKind::Disconnection {
                loss.tell();
            }
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            // A call has its time, of however many questions it is.
            .set_response_timeout(None)
            .set_push_sender(tell);
        async move { Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?) }
    }
}
