//! The metrics of a node, and calls whose answers are ignored.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Method, Request};

use super::requester::PATIENCE;
use crate::connection::Connection;
use crate::target::Target;

/// The body of a path; `None` unless the node answers with success.
pub(crate) async fn get(target: &Target, path: &str) -> Option<Bytes> {
    let request = Request::builder().uri(path).header(HOST, target.host().clone());
    let reply =
        Connection::new(target.clone(), PATIENCE).send(request.body(Full::default()).ok()?).await.ok()?;
    reply.status.is_success().then_some(reply.body)
}

/// Calls a path that changes something, and ignores the answer.
pub(super) async fn post(target: &Target, path: &str) {
    let request = Request::builder().method(Method::POST).uri(path).header(HOST, target.host().clone());
    if let Ok(request) = request.body(Full::default()) {
        // The callers observe the effect.
        let _answered = Connection::new(target.clone(), PATIENCE).send(request).await;
    }
}

pub(super) async fn read(target: &Target) -> Option<String> {
    Some(String::from_utf8_lossy(&get(target, "/metrics").await?).into_owned())
}

/// The value of a counter without labels.
pub(super) fn value(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().split('.').next()?.parse().ok()
}
