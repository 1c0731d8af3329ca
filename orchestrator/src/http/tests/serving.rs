//! The server itself, over TCP.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::Api;
use crate::http::serve;

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(api: &Api) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = tokio::spawn(serve(Arc::clone(&api.desk.app), listener, shutdown.clone()));
        Self { address, shutdown, serving }
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// Everything until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("closed in time").unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_request_is_served_over_tcp() {
    let api = Api::new().await;
    let server = Server::start(&api).await;
    let mut stream = server.send("GET /healthz/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await;
    let text = rest(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("{\"live\":true}"), "{text}");
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way_and_ends_idle_connections_and_streams() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let server = Server::start(&api).await;
    let mut idle = server.send("GET /healthz/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
    let mut live = server.send(&format!("GET /api/v1/jobs/{id}/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")).await;
    let body = "{\"type\":\"validate\"}";
    let head = "POST /api/v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\n";
    let mut under_way = server.send(&format!("{head}content-length: {}\r\n\r\n", body.len())).await;
    // Each of the three is being served: two were answered, the third is asked for its body.
    let mut begun = [0; 12];
    for (stream, status) in [(&mut idle, "200"), (&mut live, "200"), (&mut under_way, "100")] {
        timeout(PATIENCE, stream.read_exact(&mut begun)).await.expect("answered in time").unwrap();
        assert_eq!(std::str::from_utf8(&begun).unwrap(), format!("HTTP/1.1 {status}"));
    }

    server.shutdown.cancel();
    under_way.write_all(body.as_bytes()).await.unwrap();
    let answer = rest(&mut under_way).await;
    assert!(answer.contains("HTTP/1.1 201"), "{answer}");
    rest(&mut idle).await;
    assert!(rest(&mut live).await.contains("event: job"));
    timeout(PATIENCE, server.serving).await.expect("ends").unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_and_not_reset() {
    let api = Api::new().await;
    let server = Server::start(&api).await;
    let body = "x".repeat(api.desk.app.message_bytes * 4);
    let head = "POST /api/v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n";
    let mut stream = server.send(&format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413"));
}
