//! Issue requests and their repetitions.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::arrange::{Engine, issuance_of, on_every_engine};

on_every_engine! {
    a_member_gets_a_coupon_and_keeps_it,
    sequences_are_dense_and_in_the_order_of_answers,
    a_member_may_hold_several_coupons,
    a_crowd_gets_exactly_the_total,
    an_absent_issuance_is_not_found,
}

async fn a_member_gets_a_coupon_and_keeps_it(engine: Engine) {
    let (mut node, api) = engine.node().await;
    let id = api.coupon(2).await;
    let issued = api.ask(&id, "kim").await.json(201);
    let names: HashSet<&str> = issued.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected =
        ["coupon_id", "member_id", "sequence", "code", "status", "issued_at", "ack"].into_iter().collect();
    assert_eq!(names, expected);
    assert_eq!((&issued["coupon_id"], &issued["member_id"]), (&json!(id), &json!("kim")));
    assert_eq!(
        (&issued["sequence"], &issued["status"], &issued["ack"]),
        (&json!(1), &json!("UNUSED"), &json!("granted"))
    );
    assert!(
        openrun::domain::Timestamp::parse(issued["issued_at"].as_str().unwrap_or_default()).is_ok(),
        "{issued}"
    );
    let groups: Vec<&str> = issued["code"].as_str().expect("a text").split('-').collect();
    let is_code = |group: &&str| {
        group.len() == 5 && group.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
    };
    assert!(groups.len() == 4 && groups.iter().all(is_code), "{issued}");

    for _ in 0..3 {
        assert_eq!(api.ask(&id, "kim").await.json(200), issued);
    }
    assert_eq!(api.get(&issuance_of(&id, "kim")).await.json(200), issued);
    let shown = api.shown(&id).await;
    assert_eq!(
        (&shown["issued"], &shown["remaining"]),
        (&json!(1), &json!(1)),
        "a repeated request issues nothing"
    );

    // The issuance survives the death of the node.
    node.restart().await;
    let api = crate::arrange::Api::of(&node);
    assert_eq!(api.ask(&id, "kim").await.json(200), issued);
}

async fn sequences_are_dense_and_in_the_order_of_answers(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(5).await;
    let mut codes = HashSet::new();
    for number in 1..=5 {
        let issued = api.ask(&id, &format!("member-{number}")).await.json(201);
        assert_eq!(issued["sequence"], number);
        codes.insert(issued["code"].to_string());
        assert_eq!(api.shown(&id).await["remaining"], 5 - number);
    }
    assert_eq!(codes.len(), 5);
    api.ask(&id, "member-6").await.problem(409, "sold_out");
    assert_eq!(api.shown(&id).await["state"], "sold_out");
}

async fn a_member_may_hold_several_coupons(engine: Engine) {
    let (_node, api) = engine.node().await;
    let (one, other) = (api.coupon(1).await, api.coupon(1).await);
    let first = api.ask(&one, "kim").await.json(201);
    let second = api.ask(&other, "kim").await.json(201);
    assert_ne!(first["code"], second["code"], "each coupon has its own secret");
    api.get(&issuance_of(&one, "lee")).await.problem(404, "not_issued");
}

async fn a_crowd_gets_exactly_the_total(engine: Engine) {
    const MEMBERS: usize = 200;
    const TOTAL: u32 = 40;
    let (_node, api) = engine.node().await;
    let id = api.coupon(TOTAL).await;
    let mut crowd = JoinSet::new();
    // Each member sends two requests at once.
    for click in 0..MEMBERS * 2 {
        let (api, id) = (api.clone(), id.clone());
        crowd.spawn(async move { api.ask(&id, &format!("member-{}", click % MEMBERS)).await });
    }
    let (mut first, mut again, mut held) = (0, 0, HashSet::<String>::new());
    while let Some(answer) = crowd.join_next().await {
        let answer = answer.expect("no panic");
        match answer.status {
            201 => first += 1,
            200 => again += 1,
            _ => {
                answer.problem(409, "sold_out");
                continue;
            }
        }
        let issued: Value = answer.json(answer.status);
        held.insert(issued.to_string());
    }
    assert_eq!(
        (first, held.len()),
        (TOTAL, TOTAL as usize),
        "each coupon is answered 201 once, and 200 with the same body"
    );
    assert_eq!(again, TOTAL, "both requests of a holder are answered with the coupon");
    assert_eq!(api.issued(&id).await, u64::from(TOTAL));
}

async fn an_absent_issuance_is_not_found(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    api.get(&issuance_of(&id, "kim")).await.problem(404, "not_issued");
    api.get(&issuance_of("nothing-here", "kim")).await.problem(404, "no_such_coupon");
    api.ask("nothing-here", "kim").await.problem(404, "no_such_coupon");
    api.get("/v1/coupons/nothing-here").await.problem(404, "no_such_coupon");
    for call in ["pause", "resume", "close"] {
        api.call("nothing-here", call).await.problem(404, "no_such_coupon");
    }
    assert_eq!(api.issued(&id).await, 0);
}
