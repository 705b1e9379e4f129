//! An operator's view of the actors over HTTP, and restarts.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::races::{http, until};

pub(crate) async fn actors(node: SocketAddr) -> Vec<Value> {
    let answer = http().get(format!("http://{node}/v1/admin/actors")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.json().await.expect("it is a list")
}

pub(crate) async fn actor(node: SocketAddr, name: &str) -> Value {
    let found = actors(node).await.into_iter().find(|actor| actor["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not listed"))
}

/// Restarts an actor and returns its state afterwards.
pub(crate) async fn restart(node: SocketAddr, name: &str) -> Value {
    let url = format!("http://{node}/v1/admin/actors/{name}/restart");
    let answer = http().post(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap_or_default());
    answer.json().await.expect("it is an actor")
}

/// Status and body of `/readyz`.
pub(crate) async fn readiness(node: SocketAddr) -> (u16, Value) {
    let answer = http().get(format!("http://{node}/readyz")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// Waits until exactly this actor stays down, according to readiness and the list of actors.
pub(crate) async fn until_failed(node: SocketAddr, name: &str) {
    until(&format!("{name} stays down"), async || {
        let (status, problem) = readiness(node).await;
        (status == 503 && problem["code"] == "actors_failed").then(|| {
            assert_eq!(problem["actors"], json!([name]), "{problem}");
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{problem}");
        })
    })
    .await;
    let view = actor(node, name).await;
    assert_eq!((&view["state"], &view["restarts"]), (&json!("failed"), &json!(5)), "{view}");
    assert!(view["last_failure"].as_str().is_some_and(|reason| reason.contains("on purpose")), "{view}");
}

/// Restarts an actor that stays down, and checks that the node is ready again.
pub(crate) async fn restart_failed(node: SocketAddr, name: &str) {
    let view = restart(node, name).await;
    assert_eq!((&view["state"], &view["restarts"]), (&json!("running"), &json!(6)), "{view}");
    assert_eq!(readiness(node).await.0, 200);
}
