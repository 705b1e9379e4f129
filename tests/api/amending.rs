//! Changing a coupon: allowed changes, and refused changes without effect.

use serde_json::{Value, json};

use crate::arrange::{Answer, Engine, on_every_engine};

on_every_engine! {
    all_fields_may_change_before_the_first_issuance,
    null_removes_an_end,
    the_total_may_rise_and_fall_but_never_below_the_issued_number,
    terms_are_frozen_once_issuing_has_started,
    a_closed_coupon_cannot_change,
    an_unreadable_change_has_no_effect,
}

async fn all_fields_may_change_before_the_first_issuance(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(5).await;
    let change = json!({
        "name": "Another", "description": "more", "discount": "50%", "total": 9,
        "opens_at": "2027-01-01T00:00:00.000Z", "closes_at": "2198-01-01T00:00:00.000Z",
        "valid_until": "2199-01-01T00:00:00.000Z",
    });
    let changed = api.patch(&id, &change).await.json(200);
    for (name, value) in change.as_object().expect("an object") {
        assert_eq!(changed[name], *value, "{name}");
    }
    assert_eq!((&changed["state"], &changed["remaining"]), (&json!("not_open"), &json!(9)));
    assert_eq!(api.shown(&id).await, changed);
    // A change of one field leaves the others, and an empty change succeeds.
    let renamed = api.patch(&id, &json!({ "name": "Third" })).await.json(200);
    assert_eq!((&renamed["name"], &renamed["discount"]), (&json!("Third"), &json!("50%")));
    assert_eq!(api.patch(&id, &json!({})).await.json(200), renamed);
}

async fn null_removes_an_end(engine: Engine) {
    let (_node, api) = engine.node().await;
    let ends = json!({
        "total": 1, "closes_at": "2198-01-01T00:00:00.000Z", "valid_until": "2199-01-01T00:00:00.000Z",
    });
    let id = api.coupon_of(&ends).await;
    let open_ended = api.patch(&id, &json!({ "closes_at": null })).await.json(200);
    assert_eq!((&open_ended["closes_at"], &open_ended["valid_until"]), (&Value::Null, &ends["valid_until"]));
    let for_ever = api.patch(&id, &json!({ "valid_until": null })).await.json(200);
    assert_eq!((&for_ever["closes_at"], &for_ever["valid_until"]), (&Value::Null, &Value::Null));
    assert_eq!(api.shown(&id).await, for_ever);
}

async fn the_total_may_rise_and_fall_but_never_below_the_issued_number(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(2).await;
    api.ask(&id, "kim").await.json(201);
    api.ask(&id, "lee").await.json(201);
    api.ask(&id, "park").await.problem(409, "sold_out");

    let raised = api.patch(&id, &json!({ "total": 4 })).await.json(200);
    assert_eq!((&raised["state"], &raised["remaining"]), (&json!("open"), &json!(2)));
    assert_eq!(api.ask(&id, "park").await.json(201)["sequence"], 3);

    for low in [0, 1, 2] {
        api.patch(&id, &json!({ "total": low })).await.problem(422, "invalid_coupon");
    }
    api.patch(&id, &json!({ "total": 100_000_001 })).await.problem(422, "invalid_coupon");
    assert_eq!(api.shown(&id).await["total"], 4);

    let lowered = api.patch(&id, &json!({ "total": 3 })).await.json(200);
    assert_eq!((&lowered["state"], &lowered["remaining"]), (&json!("sold_out"), &json!(0)));
    api.ask(&id, "choi").await.problem(409, "sold_out");
    assert_eq!(api.issued(&id).await, 3);
}

async fn terms_are_frozen_once_issuing_has_started(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon_of(&json!({ "total": 3, "closes_at": "2199-01-01T00:00:00Z" })).await;
    api.ask(&id, "kim").await.json(201);
    let before = api.shown(&id).await;
    for change in [
        json!({ "name": "another" }),
        json!({ "description": "another" }),
        json!({ "discount": "another" }),
        json!({ "opens_at": "2026-01-01T00:00:00Z" }),
        json!({ "closes_at": "2198-01-01T00:00:00Z" }),
        json!({ "closes_at": null }),
        json!({ "valid_until": "2199-01-01T00:00:00Z" }),
        json!({ "total": 9, "name": "another" }),
    ] {
        api.patch(&id, &change).await.problem(409, "terms_frozen");
    }
    assert_eq!(api.shown(&id).await, before, "no refused change had an effect");
    // A field with its old value is not a change.
    api.patch(&id, &json!({ "name": before["name"], "total": 4 })).await.json(200);
}

async fn a_closed_coupon_cannot_change(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(3).await;
    let closed = api.call(&id, "close").await.json(200);
    api.patch(&id, &json!({ "total": 9 })).await.problem(409, "closed");
    api.patch(&id, &json!({ "name": "another" })).await.problem(409, "closed");
    api.call(&id, "pause").await.problem(409, "closed");
    api.call(&id, "resume").await.problem(409, "closed");
    assert_eq!(api.shown(&id).await, closed);
}

async fn an_unreadable_change_has_no_effect(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(3).await;
    let before = api.shown(&id).await;
    for body in [
        r#"{"totl": 4}"#,
        r#"{"id": "x"}"#,
        r#"{"total": "4"}"#,
        r#"{"total": 4, "total": 5}"#,
        r#"{"closes_at": 5}"#,
        "[4]",
        "4",
        "",
    ] {
        let path = format!("/v1/coupons/{id}");
        let request = api.request(reqwest::Method::PATCH, &path).header("content-type", "application/json");
        Answer::to(request.body(body)).await.problem(400, "invalid_body");
    }
    let early = json!({ "closes_at": "2020-01-01T00:00:00Z" });
    api.patch(&id, &early).await.problem(422, "invalid_coupon");
    assert_eq!(api.shown(&id).await, before);
    api.patch("nothing-here", &json!({ "total": 4 })).await.problem(404, "no_such_coupon");
}
