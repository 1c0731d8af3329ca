//! Requests that nobody meant.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, Uri},
};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use tokio::time::timeout;

use super::{Api, answer};

const CASES: usize = 1_500;
/// A request of these that takes as long hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// Of an input: the method and the target of its first line, and the body below.
fn request(input: &[u8]) -> Option<Request<Body>> {
    let (line, body) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len()));
    let mut words = line.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = Uri::try_from(words.next()?).ok()?;
    let kind = if body.starts_with(b"\n{") { "application/json" } else { "application/yaml" };
    let body = Body::from(body.get(1..).unwrap_or_default().to_vec());
    Request::builder().method(method).uri(uri).header("content-type", kind).body(body).ok()
}

#[tokio::test]
async fn whatever_is_asked_is_served_or_refused_with_a_reason() {
    let api = Api::new().await;
    let known = drover_fuzz::corpus("request").unwrap();
    let mut inputs: Vec<Vec<u8>> = known.into_iter().map(|(_, input)| input).collect();
    let mut runner = TestRunner::deterministic();
    let made = drover_fuzz::inputs(inputs.clone());
    inputs.extend((0..CASES).map(|_| made.new_tree(&mut runner).unwrap().current()));
    let mut asked = 0;
    for input in inputs {
        let Some(request) = request(&input) else { continue };
        let told = String::from_utf8_lossy(&input).into_owned();
        let response = timeout(LIMIT, api.send(request)).await.unwrap_or_else(|_| panic!("no answer to {told:?}"));
        asked += 1;
        let status = response.status();
        assert!(!status.is_server_error(), "{status} for {told:?}");
        if status.is_client_error() {
            let answer = answer(response).await;
            assert_eq!(answer.header("content-type"), "application/problem+json", "{told:?}");
            assert!(
                answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
                "{told:?}: {}",
                answer.body
            );
        }
    }
    assert!(asked > CASES / 3, "only {asked} inputs are requests");
}
