//! Unknown paths and methods.

use reqwest::Method;

use crate::arrange::{Answer, Engine, on_both_engines};

on_both_engines! {
    every_path_refuses_other_methods,
    unknown_paths_are_not_found,
    a_malformed_coupon_id_is_refused_everywhere,
}

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

async fn every_path_refuses_other_methods(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    for (path, allowed_methods) in [
        ("/v1/coupons".to_owned(), vec!["GET", "POST"]),
        (format!("/v1/coupons/{id}"), vec!["GET", "PATCH"]),
        (format!("/v1/coupons/{id}/pause"), vec!["POST"]),
        (format!("/v1/coupons/{id}/resume"), vec!["POST"]),
        (format!("/v1/coupons/{id}/close"), vec!["POST"]),
        (format!("/v1/coupons/{id}/issuances"), vec!["POST"]),
        (format!("/v1/coupons/{id}/issuances/kim"), vec!["GET"]),
        ("/v1/admin/actors".to_owned(), vec!["GET"]),
        ("/v1/admin/conflicts".to_owned(), vec!["GET"]),
        ("/v1/admin/conflicts/1".to_owned(), vec!["GET"]),
        ("/v1/admin/conflicts/1/settle".to_owned(), vec!["POST"]),
        ("/v1/admin/dead-letters".to_owned(), vec!["GET"]),
        ("/v1/admin/dead-letters/replay".to_owned(), vec!["POST"]),
        ("/v1/admin/dead-letters/x".to_owned(), vec!["GET", "DELETE"]),
        ("/v1/admin/dead-letters/x/replay".to_owned(), vec!["POST"]),
        (format!("/v1/admin/actors/coupon-event/{id}/restart"), vec!["POST"]),
        ("/v1/admin/reconcile".to_owned(), vec!["POST"]),
        ("/v1/admin/events".to_owned(), vec!["GET"]),
        ("/console".to_owned(), vec!["GET"]),
        (format!("/try/{id}"), vec!["GET"]),
        ("/assets/console.js".to_owned(), vec!["GET"]),
        ("/livez".to_owned(), vec!["GET", "HEAD"]),
        ("/readyz".to_owned(), vec!["GET", "HEAD"]),
        ("/metrics".to_owned(), vec!["GET"]),
        ("/openapi.json".to_owned(), vec!["GET"]),
    ] {
        for method in METHODS.iter().filter(|method| !allowed_methods.contains(method)) {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = Answer::to(api.request(method.clone(), &path)).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text());
            answer.problem(405, "method_not_allowed");
            let allowed: Vec<&str> = answer.header("allow").split(", ").filter(|a| !a.is_empty()).collect();
            assert_eq!(allowed, allowed_methods, "RFC 9110 requires the allowed methods: {method} {path}");
        }
    }
    assert_eq!(api.shown(&id).await["state"], "open");
}

async fn unknown_paths_are_not_found(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    for path in [
        "/".to_owned(),
        "/v1".to_owned(),
        "/v2/coupons".to_owned(),
        "/v1/coupons/".to_owned(),
        "/v1//coupons".to_owned(),
        "/V1/coupons".to_owned(),
        "/v1/admin".to_owned(),
        "/v1/admin/actors/".to_owned(),
        "/v1/admin/actors/gate-keeper".to_owned(),
        "/health".to_owned(),
        "/livez/".to_owned(),
        "/favicon.ico".to_owned(),
        format!("/v1/coupons/{id}/"),
        format!("/v1/coupons/{id}/open"),
        format!("/v1/coupons/{id}/issuances/"),
        format!("/v1/coupons/{id}/issuances/kim/code"),
        format!("/v1/coupons/{id}/issuances/a/b"),
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = Answer::to(api.request(method.clone(), &path)).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
            answer.problem(404, "no_such_route");
        }
    }
}

async fn a_malformed_coupon_id_is_refused_everywhere(engine: Engine) {
    let (_node, api) = engine.node().await;
    let long = "x".repeat(65);
    for wrong in ["a%20b", "a.b", "%7Ba%7D", "a%2Fb", "a:b", "%EC%BF%A0%ED%8F%B0", "a%00", "*", &long] {
        let coupon = format!("/v1/coupons/{wrong}");
        api.get(&coupon).await.problem(400, "invalid_parameter");
        api.get(&format!("{coupon}/issuances/kim")).await.problem(400, "invalid_parameter");
        api.ask(wrong, "kim").await.problem(400, "invalid_parameter");
        api.patch(wrong, &serde_json::json!({ "total": 1 })).await.problem(400, "invalid_parameter");
        for call in ["pause", "resume", "close"] {
            api.call(wrong, call).await.problem(400, "invalid_parameter");
        }
    }
}
