//! How is a Redis reached?

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, ScriptInvocation};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::metered::{Allowance, Metered};
use super::script::{self, Debt};
use super::{RedisAddress, Settings};
use crate::pool::Address;

/// How long opening a connection may take, its greeting included. Nobody waits for it that long.
const OPEN_LIMIT: Duration = Duration::from_secs(1);

/// An open connection, on which many can ask at once.
#[derive(Clone)]
pub(super) struct Connection {
    asker: MultiplexedConnection,
    allowance: Allowance,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// It could not be made.
    #[error("{0}")]
    Connect(#[from] std::io::Error),
    /// It was made, and Redis has refused it.
    #[error("{0}")]
    Greet(#[from] RedisError),
    /// It took too long.
    #[error("no connection within {OPEN_LIMIT:?}")]
    Late,
}

/// What moves the bytes of a connection. It ends when the other side has closed it, and closes it when it is dropped.
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    /// Resolves when the connection has ended.
    pub(super) async fn ended(&mut self) {
        // A panic in it is an end as well.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Asks about one request.
    pub(super) async fn ask(&self, script: &ScriptInvocation<'_>) -> Result<Debt, RedisError> {
        self.allowance.expect_one();
        script::ask(script, &mut self.asker.clone()).await
    }
}

/// Opens a connection, and says who is there. Its driver is a task of the runtime that this is called on.
pub(super) async fn open(settings: &Settings) -> Result<(Connection, Driver), OpenError> {
    let opened = timeout(OPEN_LIMIT, connect_and_greet(settings));
    opened.await.unwrap_or(Err(OpenError::Late))
}

async fn connect_and_greet(settings: &Settings) -> Result<(Connection, Driver), OpenError> {
    let allowance = Allowance::new();
    let stream = Metered::new(connect(&settings.address).await?, allowance.clone());
    let config = AsyncConnectionConfig::new();
    let info = greeting(settings);
    let connected = MultiplexedConnection::new_with_config(&info, stream, config);
    let (asker, driver) = connected.await?;
    let driver = Driver(tokio::spawn(driver));
    Ok((Connection { asker, allowance }, driver))
}

fn greeting(settings: &Settings) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default()
        .set_db(settings.database.into())
        .set_lib_name("portcullis", env!("CARGO_PKG_VERSION"));
    if let Some(username) = &settings.username {
        info = info.set_username(username);
    }
    if let Some(password) = &settings.password {
        info = info.set_password(password);
    }
    info
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn connect(address: &RedisAddress) -> std::io::Result<Box<dyn Stream>> {
    let stream = match address {
        RedisAddress::Known(Address::Inet(address)) => TcpStream::connect(address).await?,
        RedisAddress::Known(Address::Unix(path)) => {
            return Ok(Box::new(UnixStream::connect(path.as_path()).await?));
        }
        // Looked up anew for each connection: after a failover the name leads elsewhere.
        RedisAddress::Named(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
    };
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
