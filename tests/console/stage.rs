//! Set-up of the tests: a node with a coupon, and a browser with one of its pages.

use serde_json::{Value, json};

use crate::browser::{Browser, Device};
use crate::support::node::NodeProcess;
use crate::support::races::http;

/// Text that would run a script if a page took it for markup.
pub(crate) const MARKUP: &str = "<img src=x onerror=\"document.title='taken over'\">";

/// A node on the embedded engine.
pub(crate) async fn node() -> NodeProcess {
    NodeProcess::embedded().start().await
}

/// Makes an operator's call without a token.
pub(crate) async fn post(node: &NodeProcess, path: &str, body: &Value) -> Value {
    let answer = http().post(node.url(path)).json(body).send().await.expect("the node answers");
    let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).expect("JSON")
}

pub(crate) async fn get(node: &NodeProcess, path: &str) -> Value {
    let answer = http().get(node.url(path)).send().await.expect("the node answers");
    answer.json().await.expect("JSON")
}

pub(crate) async fn create(node: &NodeProcess, body: &Value) {
    post(node, "/v1/coupons", body).await;
}

pub(crate) async fn issue(node: &NodeProcess, coupon: &str, member: &str) -> Value {
    post(node, &format!("/v1/coupons/{coupon}/issuances"), &json!({ "member_id": member })).await
}

/// Opens the console of `node` and waits until it is live.
pub(crate) async fn console(node: &NodeProcess, device: Device) -> Browser {
    let browser = Browser::start(device).await;
    browser.go(&node.url("/console")).await;
    browser.until("document.getElementById('connection').dataset.state === 'live'").await;
    browser
}

/// Panics if the browser logged an error, or if text became markup.
pub(crate) async fn assert_clean(browser: &Browser) {
    assert_eq!(browser.errors().await, Vec::<String>::new());
    assert_eq!(browser.run("return document.querySelectorAll('img, body script').length").await, 0);
    assert_ne!(browser.run("return document.title").await, "taken over");
}
