//! What a node counts, as it says itself, and calls of which nobody keeps the answer.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Method, Request};

use super::asking::PATIENCE;
use crate::connection::Connection;
use crate::target::Target;

/// Asks for a path that answers with text; `None` unless it is there.
pub(crate) async fn get(target: &Target, path: &str) -> Option<Bytes> {
    let request = Request::builder().uri(path).header(HOST, target.host().clone());
    let reply =
        Connection::new(target.clone(), PATIENCE).send(request.body(Full::default()).ok()?).await.ok()?;
    reply.status.is_success().then_some(reply.body)
}

/// Calls a path that changes something, whatever becomes of it.
pub(super) async fn post(target: &Target, path: &str) {
    let request = Request::builder().method(Method::POST).uri(path).header(HOST, target.host().clone());
    if let Ok(request) = request.body(Full::default()) {
        // Who calls it looks at what it does, not at what it says.
        let _answered = Connection::new(target.clone(), PATIENCE).send(request).await;
    }
}

/// All metrics of a node.
pub(super) async fn read(target: &Target) -> Option<String> {
    Some(String::from_utf8_lossy(&get(target, "/metrics").await?).into_owned())
}

/// The value of a counter without labels.
pub(super) fn value(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().split('.').next()?.parse().ok()
}
