//! Pausing, resuming and closing a coupon, and the answers to members.

use serde_json::json;

use crate::arrange::{Engine, issuance_of, on_every_engine};

on_every_engine! {
    a_paused_coupon_can_be_resumed,
    a_closed_coupon_stays_closed,
    holders_get_the_same_answer_in_every_state,
    a_sold_out_coupon_stays_sold_out_while_paused,
}

async fn a_paused_coupon_can_be_resumed(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(3).await;
    assert_eq!(api.call(&id, "pause").await.json(200)["state"], "paused");
    assert_eq!(api.call(&id, "pause").await.json(200)["state"], "paused", "pausing twice succeeds");
    api.ask(&id, "kim").await.problem(503, "paused");
    assert_eq!(api.shown(&id).await["state"], "paused");
    assert_eq!(api.call(&id, "resume").await.json(200)["state"], "open");
    assert_eq!(api.call(&id, "resume").await.json(200)["state"], "open");
    assert_eq!(api.ask(&id, "kim").await.json(201)["sequence"], 1);
}

async fn a_closed_coupon_stays_closed(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(3).await;
    api.ask(&id, "kim").await.json(201);
    assert_eq!(api.call(&id, "close").await.json(200)["state"], "closed");
    assert_eq!(api.call(&id, "close").await.json(200)["state"], "closed");
    api.ask(&id, "lee").await.problem(409, "closed");
    let shown = api.shown(&id).await;
    assert_eq!(
        (&shown["state"], &shown["issued"], &shown["remaining"]),
        (&json!("closed"), &json!(1), &json!(2))
    );
}

async fn holders_get_the_same_answer_in_every_state(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(2).await;
    let issued = api.ask(&id, "kim").await.json(201);
    assert_eq!(api.ask(&id, "kim").await.json(200), issued, "while stock is left");
    api.ask(&id, "lee").await.json(201);
    api.ask(&id, "park").await.problem(409, "sold_out");
    api.until_halted(&id).await;
    assert_eq!(api.ask(&id, "kim").await.json(200), issued, "after it was sold out");
    api.patch(&id, &json!({ "total": 3 })).await.json(200);
    api.call(&id, "pause").await.json(200);
    api.ask(&id, "park").await.problem(503, "paused");
    assert_eq!(api.ask(&id, "kim").await.json(200), issued, "while it is paused");
    api.call(&id, "close").await.json(200);
    api.ask(&id, "park").await.problem(409, "closed");
    assert_eq!(api.ask(&id, "kim").await.json(200), issued, "after it was closed");
    assert_eq!(api.get(&issuance_of(&id, "kim")).await.json(200), issued);
}

async fn a_sold_out_coupon_stays_sold_out_while_paused(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    api.ask(&id, "kim").await.json(201);
    api.call(&id, "pause").await.json(200);
    api.ask(&id, "lee").await.problem(409, "sold_out");
    let shown = api.shown(&id).await;
    assert_eq!((&shown["state"], &shown["lifecycle"]), (&json!("sold_out"), &json!("paused")));
    api.patch(&id, &json!({ "total": 2 })).await.json(200);
    api.ask(&id, "lee").await.problem(503, "paused");
    api.call(&id, "resume").await.json(200);
    api.ask(&id, "lee").await.json(201);
}
