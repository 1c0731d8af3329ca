//! A proxy between a test and RabbitMQ that misbehaves on command.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    select, spawn,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Open,
    /// Passes nothing on, in neither direction: a peer that hangs. New connections get no answer.
    Frozen,
    /// Like a broker with a resource alarm: tells publishing connections that they are blocked, and reads nothing more
    /// from them. Others are not affected.
    Blocked,
    /// Breaks all connections and refuses new ones at once.
    Severed,
}

pub(crate) struct Proxy {
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
    pub(crate) async fn start(url: &str) -> Self {
        let upstream = host_and_port(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Control { mode: watch::Sender::new(Mode::Open), held: watch::Sender::new(0) };
        let stop = CancellationToken::new();
        let accepting = accept(listener, upstream.clone(), control.clone());
        spawn(stop.clone().run_until_cancelled_owned(accepting));
        Self { address, upstream, control, stop }
    }

    /// The same address by way of the proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replace(&self.upstream, &self.address.to_string())
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.control.mode.send_replace(mode);
    }

    /// Waits until so many bytes from clients are held back.
    pub(crate) async fn holds(&self, bytes: usize) {
        self.control.held.subscribe().wait_for(|held| *held >= bytes).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Severed);
        self.stop.cancel();
    }
}

fn host_and_port(url: &str) -> &str {
    let rest = url.rsplit_once('@').unwrap().1;
    rest.split('/').next().unwrap()
}

async fn accept(listener: TcpListener, upstream: String, control: Control) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (upstream, control) = (upstream.clone(), control.clone());
        spawn(async move {
            let mut modes = control.modes();
            select! {
                () = wait_for(&mut modes, &[Mode::Severed]) => {}
                () = carry(client, upstream, &control) => {}
            }
        });
    }
}

async fn carry(client: TcpStream, upstream: String, control: &Control) {
    wait_for(&mut control.modes(), &[Mode::Open, Mode::Blocked]).await;
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let publishes = watch::Sender::new(false);
    select! {
        () = upload(from_client, to_server, control, &publishes) => {}
        () = download(from_server, to_client, control.modes(), publishes.subscribe()) => {}
    }
}

async fn wait_for(modes: &mut watch::Receiver<Mode>, wanted: &[Mode]) {
    modes.wait_for(|mode| wanted.contains(mode)).await.ok();
}

async fn upload(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, control: &Control, publishes: &watch::Sender<bool>) {
    let mut modes = control.modes();
    let mut buffer = BytesMut::new();
    loop {
        let passing: &[Mode] = if *publishes.borrow() { &[Mode::Open] } else { &[Mode::Open, Mode::Blocked] };
        let passes = passing.contains(&*modes.borrow_and_update());
        if passes && !buffer.is_empty() {
            control.held.send_modify(|held| *held -= buffer.len());
            if to.write_all(&buffer.split()).await.is_err() {
                return;
            }
        }
        select! {
            changed = modes.changed() => if changed.is_err() { return },
            read = from.read_buf(&mut buffer) => {
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

/// Passes frames on, so that others can be put between them.
async fn download(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    publishes: watch::Receiver<bool>,
) {
    let (sender, mut frames) = mpsc::channel(64);
    let reader = spawn(read_frames(from, sender));
    let mut blocked = false;
    loop {
        wait_for(&mut modes, &[Mode::Open, Mode::Blocked]).await;
        let block = *modes.borrow_and_update() == Mode::Blocked && *publishes.borrow();
        let written = if block == blocked {
            select! {
                changed = modes.changed() => { if changed.is_err() { break } else { continue } }
                frame = frames.recv() => match frame {
                    Some(frame) => to.write_all(&frame).await,
                    None => break,
                },
            }
        } else {
            blocked = block;
            to.write_all(if block { BLOCKED } else { UNBLOCKED }).await
        };
        if written.is_err() {
            break;
        }
    }
    reader.abort();
}

/// `connection.blocked` (class 10, method 60) with the reason `low`, on channel 0.
const BLOCKED: &[u8] = &[1, 0, 0, 0, 0, 0, 8, 0, 10, 0, 60, 3, b'l', b'o', b'w', 0xce];
/// `connection.unblocked` (class 10, method 61), on channel 0.
const UNBLOCKED: &[u8] = &[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xce];

/// A frame: type, channel (2), length (4), payload, end.
async fn read_frames(mut from: OwnedReadHalf, frames: mpsc::Sender<Vec<u8>>) -> Option<()> {
    loop {
        let mut frame = vec![0; 7];
        from.read_exact(&mut frame).await.ok()?;
        let length = u32::from_be_bytes(frame[3..7].try_into().ok()?);
        frame.resize(7 + usize::try_from(length).ok()? + 1, 0);
        from.read_exact(&mut frame[7..]).await.ok()?;
        frames.send(frame).await.ok()?;
    }
}
