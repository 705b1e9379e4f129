//! Who may make operators' calls.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::arrange::{Answer, Api, Engine, started};

const TOKEN: &str = "correct-horse-battery-staple";

/// Every call that is for operators only and succeeds.
fn calls(api: &Api, coupon: &str) -> Vec<RequestBuilder> {
    let at = |method, call: &str| api.request(method, &format!("/v1/coupons{call}"));
    vec![
        at(Method::POST, "").json(&json!({ "id": "made-by-a-stranger", "total": 1 })),
        at(Method::PATCH, &format!("/{coupon}")).json(&json!({ "total": 9 })),
        at(Method::POST, &format!("/{coupon}/pause")),
        at(Method::POST, &format!("/{coupon}/resume")),
        at(Method::POST, &format!("/{coupon}/close")),
        api.request(Method::GET, "/v1/admin/actors"),
        api.request(Method::POST, "/v1/admin/actors/gate-keeper/restart"),
        api.request(Method::GET, "/v1/admin/conflicts"),
        api.request(Method::GET, "/v1/admin/dead-letters"),
        api.request(Method::POST, "/v1/admin/dead-letters/replay"),
        api.request(Method::POST, "/v1/admin/reconcile"),
    ]
}

#[tokio::test]
async fn with_a_token_operators_must_have_it() {
    let builder = Engine::Embedded.builder().await.set("OPENRUN_ADMIN_TOKEN", TOKEN);
    let (mut node, api) = started(builder).await;
    let create = api.request(Method::POST, "/v1/coupons").bearer_auth(TOKEN);
    Answer::to(create.json(&json!({ "id": "drop", "total": 2 }))).await.json(201);
    let (short, long) = (&TOKEN[1..], format!("{TOKEN}x"));
    for credentials in [
        None,
        Some(String::new()),
        Some("Bearer ".to_owned()),
        Some("Bearer wrong".to_owned()),
        Some(format!("Bearer {short}")),
        Some(format!("Bearer {long}")),
        Some(format!("Basic {TOKEN}")),
        Some(TOKEN.to_owned()),
    ] {
        for call in calls(&api, "drop") {
            let call = match &credentials {
                Some(credentials) => call.header("authorization", credentials),
                None => call,
            };
            Answer::to(call).await.problem(401, "unauthorized");
        }
    }
    let shown = api.shown("drop").await;
    assert_eq!((&shown["state"], &shown["total"]), (&json!("open"), &json!(2)), "nothing was done");
    // Who is no operator does not learn which letters and contradictions there are.
    for (method, path) in [
        (Method::GET, "dead-letters/x"),
        (Method::DELETE, "dead-letters/x"),
        (Method::POST, "dead-letters/x/replay"),
        (Method::GET, "conflicts/1"),
        (Method::POST, "conflicts/1/settle"),
    ] {
        let call = api.request(method, &format!("/v1/admin/{path}"));
        Answer::to(call).await.problem(401, "unauthorized");
    }
    api.get("/v1/coupons/made-by-a-stranger").await.problem(404, "no_such_coupon");
    // Members need none, and a foreign page cannot know the token.
    api.ask("drop", "kim").await.json(201);
    let foreign = api.request(Method::POST, "/v1/coupons/drop/pause").bearer_auth(TOKEN);
    Answer::to(foreign.header("host", "shop.example").header("origin", "https://shop.example"))
        .await
        .json(200);
    for call in calls(&api, "drop") {
        let answer = Answer::to(call.bearer_auth(TOKEN)).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    }
    node.terminate().await;
    assert!(!node.log().contains(TOKEN), "the token is in the log");
}

#[tokio::test]
async fn without_a_token_only_this_machine_is_an_operator() {
    let (_node, api) = Engine::Embedded.node().await;
    let id = api.coupon(2).await;
    for (name, value) in [
        ("host", "example.com"),
        ("host", "example.com:8080"),
        ("host", "127.0.0.1.nip.io"),
        ("host", "localhost.example.com"),
        ("host", "10.0.0.1"),
        ("origin", "https://example.com"),
        ("origin", "http://localhost:1"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for call in calls(&api, &id) {
            Answer::to(call.header(name, value)).await.problem(403, "forbidden");
        }
    }
    let shown = api.shown(&id).await;
    assert_eq!((&shown["state"], &shown["total"]), (&json!("open"), &json!(2)), "nothing was done");
    // Members come from anywhere.
    let member = api.request(Method::POST, &format!("/v1/coupons/{id}/issuances"));
    let member = member.header("host", "example.com").header("origin", "https://example.com");
    Answer::to(member.json(&json!({ "member_id": "kim" }))).await.json(201);
    // The page of the node itself is its operator's.
    let own = api.request(Method::POST, &format!("/v1/coupons/{id}/pause"));
    Answer::to(own.header("host", "localhost:8080").header("origin", "http://localhost:8080"))
        .await
        .json(200);
}

#[tokio::test]
async fn a_refused_body_is_not_even_read() {
    let builder = Engine::Embedded.builder().await.set("OPENRUN_ADMIN_TOKEN", TOKEN);
    let (_node, api) = started(builder).await;
    // Who is no operator does not learn which bodies or coupons there are.
    for path in ["/v1/coupons", "/v1/coupons/nothing-here/pause", "/v1/coupons/a%20b/close"] {
        let call = api.request(Method::POST, path).body("not json");
        Answer::to(call).await.problem(401, "unauthorized");
    }
}
