//! One attempt to connect.

use lapin::{Connection, ConnectionProperties, tcp::OwnedTLSConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{AmqpConfig, address::Address};

/// What an AMQP 0-9-1 client says first.
const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// Connects to one address in one role.
pub(super) struct Dialer {
    address: Address,
    config: AmqpConfig,
    role: &'static str,
    /// The last attempt had no answer at all.
    silent: bool,
}

impl Dialer {
    pub(super) fn new(address: Address, config: AmqpConfig, role: &'static str) -> Self {
        // For `amqps://`. An error means that the process has chosen a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { address, config, role, silent: false }
    }

    /// Connects, within the configured time.
    ///
    /// lapin leaves a thread and a socket behind for every handshake that nobody answers, until the peer wakes up. So
    /// after one such attempt a plain socket finds out first whether somebody answers again.
    pub(super) async fn dial(&mut self) -> Result<Connection, String> {
        let limit = self.config.connect_timeout;
        let silence = || format!("no answer within {}s", limit.as_secs_f32());
        if self.silent {
            timeout(limit, self.knock()).await.map_err(|_| silence())?.map_err(|error| error.to_string())?;
        }
        let runtime = lapin::runtime::default_runtime().map_err(|error| error.to_string())?;
        let name = format!("{} {}", self.config.connection_name, self.role);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = OwnedTLSConfig { identity: None, cert_chain: self.config.ca_pem.clone() };
        let attempt = Connection::connect_uri_with_config(self.address.uri.clone(), properties, tls, runtime);
        let outcome = timeout(limit, attempt).await;
        self.silent = outcome.is_err();
        outcome.map_err(|_| silence())?.map_err(|error| error.to_string())
    }

    /// Waits for any sign of life: an answer, or a closed door. A TLS port answers a plain header with an alert.
    async fn knock(&self) -> std::io::Result<()> {
        let authority = &self.address.uri.authority;
        let mut socket = TcpStream::connect((authority.host.as_str(), authority.port)).await?;
        socket.write_all(PROTOCOL_HEADER).await?;
        socket.read(&mut [0; 8]).await.map(|_| ())
    }
}
