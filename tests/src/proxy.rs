//! A proxy between a process and a server that misbehaves on command.

use std::{mem, net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    select, spawn,
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// What the proxy does. What it holds back is passed on when it is open again, as a network does that lost packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Open,
    /// Passes nothing on, in neither direction: a peer that hangs. New connections get no answer.
    Frozen,
    /// Holds back what the client sends: nobody hears it.
    Muted,
    /// Holds back what the server sends: the client hears nothing.
    Deafened,
    /// Passes everything on, each piece this much later than the one before.
    Slow(Duration),
    /// Like a broker with a resource alarm: tells publishing connections that they are blocked, and reads nothing more
    /// from them. Others are not affected. Of AMQP only.
    Blocked,
    /// Breaks all connections and refuses new ones at once.
    Severed,
}

impl Mode {
    /// Whether what the client of such a connection sends is passed on.
    const fn passes_up(self, publishes: bool) -> bool {
        match self {
            Self::Open | Self::Deafened | Self::Slow(_) => true,
            Self::Blocked => !publishes,
            Self::Frozen | Self::Muted | Self::Severed => false,
        }
    }

    /// Whether what the server sends is passed on.
    const fn passes_down(self) -> bool {
        matches!(self, Self::Open | Self::Muted | Self::Slow(_) | Self::Blocked)
    }

    /// Whether new connections reach the server.
    const fn connects(self) -> bool {
        !matches!(self, Self::Frozen | Self::Severed)
    }

    /// How long each piece takes.
    async fn dawdle(self) {
        if let Self::Slow(delay) = self {
            sleep(delay).await;
        }
    }
}

/// What travels through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// Frames of AMQP 0-9-1, so that others can be put between them.
    Frames,
    /// Bytes.
    Bytes,
}

/// Most bytes that are held back of one connection; then the client's own buffers fill.
const MOST_HELD: usize = 4 * 1024 * 1024;
/// Most bytes of one piece where nothing tells where a message ends.
const PIECE: usize = 64 * 1024;

const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// See the module. When it is dropped its connections break.
pub struct Proxy {
    address: SocketAddr,
    upstream: String,
    control: Control,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Control {
    mode: watch::Sender<Mode>,
    /// Bytes that clients sent and that are not passed on.
    held: watch::Sender<usize>,
}

impl Control {
    fn modes(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }
}

impl Proxy {
    /// A proxy for the server of an `amqp://user:password@host:port/vhost`.
    ///
    /// # Errors
    /// The URL names no server, or there is no free port.
    pub async fn amqp(url: &str) -> anyhow::Result<Self> {
        Self::start(url, Carries::Frames).await
    }

    /// A proxy for the server of a `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// The URL names no server, or there is no free port.
    pub async fn postgres(url: &str) -> anyhow::Result<Self> {
        Self::start(url, Carries::Bytes).await
    }

    async fn start(url: &str, carries: Carries) -> anyhow::Result<Self> {
        let upstream = host_and_port(url).with_context(|| format!("{url} names no server"))?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let control = Control { mode: watch::Sender::new(Mode::Open), held: watch::Sender::new(0) };
        let stop = CancellationToken::new();
        let accepting = accept(listener, upstream.clone(), carries, control.clone());
        spawn(stop.clone().run_until_cancelled_owned(accepting));
        Ok(Self { address, upstream, control, stop })
    }

    /// The same address by way of the proxy.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replace(&self.upstream, &self.address.to_string())
    }

    /// Does this from now on.
    pub fn set(&self, mode: Mode) {
        self.control.mode.send_replace(mode);
    }

    /// Waits until so many bytes from clients are held back.
    pub async fn holds(&self, bytes: usize) {
        // The sender lives as long as the proxy.
        let _ = self.control.held.subscribe().wait_for(|held| *held >= bytes).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Severed);
        self.stop.cancel();
    }
}

fn host_and_port(url: &str) -> Option<&str> {
    url.rsplit_once('@')?.1.split('/').next()
}

async fn accept(listener: TcpListener, upstream: String, carries: Carries, control: Control) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // No more sockets: some will be closed.
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (upstream, control) = (upstream.clone(), control.clone());
        spawn(async move {
            let mut modes = control.modes();
            select! {
                _ = modes.wait_for(|mode| *mode == Mode::Severed) => {}
                () = carry(client, upstream, carries, &control) => {}
            }
        });
    }
}

async fn carry(client: TcpStream, upstream: String, carries: Carries, control: &Control) {
    if control.modes().wait_for(|mode| mode.connects()).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let publishes = watch::Sender::new(false);
    let heard = publishes.subscribe();
    let (sender, pieces) = mpsc::channel(64);
    let reader = spawn(read(from_server, carries, sender));
    select! {
        () = upload(from_client, to_server, control, &publishes) => {}
        () = download(pieces, to_client, control.modes(), heard) => {}
    }
    reader.abort();
}

async fn upload(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, control: &Control, publishes: &watch::Sender<bool>) {
    let mut modes = control.modes();
    let mut buffer = Vec::new();
    loop {
        let mode = *modes.borrow_and_update();
        if mode.passes_up(*publishes.borrow()) && !buffer.is_empty() {
            control.held.send_modify(|held| *held -= buffer.len());
            mode.dawdle().await;
            if to.write_all(&mem::take(&mut buffer)).await.is_err() {
                return;
            }
        }
        select! {
            changed = modes.changed() => if changed.is_err() { return },
            read = from.read_buf(&mut buffer), if buffer.len() < MOST_HELD => {
                let Ok(length @ 1..) = read else { return };
                control.held.send_modify(|held| *held += length);
                // The name of the connection, in the handshake, ends with its role.
                if buffer.windows(8).any(|bytes| bytes == b" publish") {
                    publishes.send_replace(true);
                }
            }
        }
    }
}

async fn download(
    mut pieces: mpsc::Receiver<Vec<u8>>,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    publishes: watch::Receiver<bool>,
) {
    let mut blocked = false;
    loop {
        if modes.wait_for(|mode| mode.passes_down()).await.is_err() {
            return;
        }
        let mode = *modes.borrow_and_update();
        let block = mode == Mode::Blocked && *publishes.borrow();
        let written = if block == blocked {
            select! {
                changed = modes.changed() => { if changed.is_err() { return } else { continue } }
                piece = pieces.recv() => match piece {
                    Some(piece) => {
                        mode.dawdle().await;
                        to.write_all(&piece).await
                    }
                    None => return,
                },
            }
        } else {
            blocked = block;
            to.write_all(if block { BLOCKED } else { UNBLOCKED }).await
        };
        if written.is_err() {
            return;
        }
    }
}

/// `connection.blocked` (class 10, method 60) with the reason `low`, on channel 0.
const BLOCKED: &[u8] = &[1, 0, 0, 0, 0, 0, 8, 0, 10, 0, 60, 3, b'l', b'o', b'w', 0xce];
/// `connection.unblocked` (class 10, method 61), on channel 0.
const UNBLOCKED: &[u8] = &[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xce];

/// Reads what the server sends, piece by piece, to its end.
async fn read(mut from: OwnedReadHalf, carries: Carries, pieces: mpsc::Sender<Vec<u8>>) {
    loop {
        let piece = match carries {
            Carries::Frames => frame(&mut from).await,
            Carries::Bytes => bytes(&mut from).await,
        };
        let Some(piece) = piece else { return };
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

/// A frame: type, channel (2), length (4), payload, end.
async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut frame = vec![0; 7];
    from.read_exact(&mut frame).await.ok()?;
    let length = u32::from_be_bytes(frame[3..7].try_into().ok()?);
    frame.resize(7 + usize::try_from(length).ok()? + 1, 0);
    from.read_exact(&mut frame[7..]).await.ok()?;
    Some(frame)
}

async fn bytes(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(PIECE);
    match from.read_buf(&mut bytes).await {
        Ok(1..) => Some(bytes),
        Ok(0) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A proxy before a server that sends everything back, a client of it, and how many bytes the server has heard.
    async fn echoed() -> (Proxy, TcpStream, watch::Receiver<usize>) {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("postgres://me@{}/db", server.local_addr().expect("bound"));
        let (heard, hears) = watch::channel(0);
        spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let heard = heard.clone();
                spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..length]).await.is_err() {
                            return;
                        }
                        heard.send_modify(|heard| *heard += length);
                    }
                });
            }
        });
        let proxy = Proxy::postgres(&url).await.expect("a proxy");
        let client = TcpStream::connect(proxy.address).await.expect("connected");
        (proxy, client, hears)
    }

    async fn say(client: &mut TcpStream, word: &str) {
        client.write_all(word.as_bytes()).await.expect("written");
    }

    async fn hear(client: &mut TcpStream, word: &str) {
        let mut heard = vec![0; word.len()];
        timeout(SOON, client.read_exact(&mut heard)).await.expect("in time").expect("read");
        assert_eq!(String::from_utf8_lossy(&heard), word);
    }

    /// Nothing but the connection's end comes.
    async fn ends(client: &mut TcpStream) {
        let read = timeout(SOON, client.read(&mut [0; 3])).await.expect("in time");
        assert_eq!(read.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn what_was_held_back_is_passed_on_when_it_is_open_again() {
        for mode in [Mode::Frozen, Mode::Muted] {
            let (proxy, mut client, heard) = echoed().await;
            say(&mut client, "one").await;
            hear(&mut client, "one").await;
            proxy.set(mode);
            say(&mut client, "two").await;
            timeout(SOON, proxy.holds(3)).await.expect("it is held back");
            assert_eq!(*heard.borrow(), 3);
            proxy.set(Mode::Slow(Duration::from_millis(1)));
            hear(&mut client, "two").await;
        }
    }

    #[tokio::test]
    async fn a_deaf_client_is_heard_and_does_not_hear() {
        let (proxy, mut client, mut heard) = echoed().await;
        proxy.set(Mode::Deafened);
        say(&mut client, "one").await;
        timeout(SOON, heard.wait_for(|heard| *heard == 3)).await.expect("in time").expect("it lives");
        proxy.set(Mode::Severed);
        ends(&mut client).await;
    }

    #[tokio::test]
    async fn a_severed_connection_ends_and_a_new_one_too() {
        let (proxy, mut client, _) = echoed().await;
        say(&mut client, "one").await;
        hear(&mut client, "one").await;
        proxy.set(Mode::Severed);
        ends(&mut client).await;
        let mut late = TcpStream::connect(proxy.address).await.expect("accepted");
        ends(&mut late).await;
        proxy.set(Mode::Open);
        let mut again = TcpStream::connect(proxy.address).await.expect("connected");
        say(&mut again, "two").await;
        hear(&mut again, "two").await;
    }
}
