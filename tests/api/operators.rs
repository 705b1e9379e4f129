//! Access to operators' calls.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::arrange::{Answer, Api, Engine, started};

const TOKEN: &str = "correct-horse-battery-staple";

/// Successful operators' calls of every kind.
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
async fn with_a_token_operators_calls_need_it() {
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
    assert_eq!(
        (&shown["state"], &shown["total"]),
        (&json!("open"), &json!(2)),
        "no refused call had an effect"
    );
    // Without the token a call does not reveal which letters and conflicts exist.
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
    // Members need no token, and a page of another site cannot know it.
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
async fn without_a_token_only_this_machine_may_make_operators_calls() {
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
        ("host", "localhost:"),
        ("host", "localhost:+80"),
        ("host", "localhost:80:80"),
        ("host", "localhost:evil"),
        ("host", "[::1"),
        ("host", "[::1]evil:80"),
        ("host", "[127.0.0.1]"),
        ("host", "user@localhost"),
        ("origin", "http://127.0.0.1:1/"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", ""),
    ] {
        for call in calls(&api, &id) {
            Answer::to(call.header(name, value)).await.problem(403, "forbidden");
        }
    }
    // A header that is not text does not name this machine, and of several values each counts.
    for (name, values) in [
        ("origin", &["http://shop.ex\u{e4}mple"][..]),
        ("origin", &["http://localhost:8080", "https://example.com"]),
        ("sec-fetch-site", &["cross-s\u{ef}te"]),
        ("sec-fetch-site", &["same-origin", "cross-site"]),
        ("sec-fetch-site", &["none", "cross-site"]),
    ] {
        for call in calls(&api, &id) {
            let call = call.header("host", "localhost:8080");
            let call = values.iter().fold(call, |call, value| call.header(name, value.as_bytes()));
            Answer::to(call).await.problem(403, "forbidden");
        }
    }
    let shown = api.shown(&id).await;
    assert_eq!(
        (&shown["state"], &shown["total"]),
        (&json!("open"), &json!(2)),
        "no refused call had an effect"
    );
    // Members may call from anywhere.
    let member = api.request(Method::POST, &format!("/v1/coupons/{id}/issuances"));
    let member = member.header("host", "example.com").header("origin", "https://example.com");
    Answer::to(member.json(&json!({ "member_id": "kim" }))).await.json(201);
    // The node's own page may make operators' calls.
    let own = api.request(Method::POST, &format!("/v1/coupons/{id}/pause"));
    Answer::to(own.header("host", "localhost:8080").header("origin", "http://localhost:8080"))
        .await
        .json(200);
}

/// A proxy on this machine calls over loopback for any client.
#[tokio::test]
async fn without_a_token_no_proxied_call_is_an_operators() {
    let (_node, api) = Engine::Embedded.node().await;
    let id = api.coupon(2).await;
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("X-Forwarded-For", ""),
        ("forwarded", "for=127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 edge"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "80"),
    ] {
        for call in calls(&api, &id) {
            let problem = Answer::to(call.header(name, value)).await.problem(403, "forbidden");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains("OPENRUN_ADMIN_TOKEN"), "{name}: {detail}");
        }
        let member = api.request(Method::POST, &format!("/v1/coupons/{id}/issuances")).header(name, value);
        let answer = Answer::to(member.json(&json!({ "member_id": "kim" }))).await;
        assert!(matches!(answer.status, 200 | 201), "{name}: {}", answer.text());
    }
    let shown = api.shown(&id).await;
    assert_eq!(
        (&shown["state"], &shown["total"]),
        (&json!("open"), &json!(2)),
        "no refused call had an effect"
    );
    // With a token the origin does not matter.
    let builder = Engine::Embedded.builder().await.set("OPENRUN_ADMIN_TOKEN", TOKEN);
    let (_node, api) = started(builder).await;
    let create = || api.request(Method::POST, "/v1/coupons").header("x-forwarded-for", "198.51.100.7");
    let of = |id: &str| json!({ "id": id, "total": 1 });
    Answer::to(create().json(&of("none"))).await.problem(401, "unauthorized");
    for (number, scheme) in ["Bearer ", "bearer ", "BEARER  "].into_iter().enumerate() {
        let create = create().header("authorization", format!("{scheme}{TOKEN}"));
        Answer::to(create.json(&of(&format!("drop-{number}")))).await.json(201);
    }
    let twice = create().bearer_auth("wrong").header("authorization", format!("Bearer {TOKEN}"));
    Answer::to(twice.json(&of("drop-9"))).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn the_body_of_a_refused_call_is_not_read() {
    let builder = Engine::Embedded.builder().await.set("OPENRUN_ADMIN_TOKEN", TOKEN);
    let (_node, api) = started(builder).await;
    // Without the token a call does not reveal which bodies are valid or which coupons exist.
    for path in ["/v1/coupons", "/v1/coupons/nothing-here/pause", "/v1/coupons/a%20b/close"] {
        let call = api.request(Method::POST, path).body("not json");
        Answer::to(call).await.problem(401, "unauthorized");
    }
}
