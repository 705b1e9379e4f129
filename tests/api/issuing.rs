//! Issue requests, first and repeated.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::arrange::{Engine, issuance_of, on_every_engine};

on_every_engine! {
    a_member_gets_a_coupon_and_keeps_it,
    sequences_are_dense_and_in_the_order_of_the_responses,
    a_member_may_hold_one_of_each_coupon,
    concurrent_members_get_exactly_the_total,
    unknown_issuances_and_coupons_are_not_found,
}

async fn a_member_gets_a_coupon_and_keeps_it(engine: Engine) {
    let (mut node, api) = engine.node().await;
    let id = api.coupon(2).await;
    let issuance = api.issue(&id, "kim").await.json(201);
    let names: HashSet<&str> = issuance.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected =
        ["coupon_id", "member_id", "sequence", "code", "status", "issued_at", "ack"].into_iter().collect();
    assert_eq!(names, expected);
    assert_eq!((&issuance["coupon_id"], &issuance["member_id"]), (&json!(id), &json!("kim")));
    assert_eq!(
        (&issuance["sequence"], &issuance["status"], &issuance["ack"]),
        (&json!(1), &json!("UNUSED"), &json!("granted"))
    );
    assert!(
        openrun::domain::Timestamp::parse(issuance["issued_at"].as_str().unwrap_or_default()).is_ok(),
        "{issuance}"
    );
    let groups: Vec<&str> = issuance["code"].as_str().expect("a text").split('-').collect();
    let is_code = |group: &&str| {
        group.len() == 5 && group.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
    };
    assert!(groups.len() == 4 && groups.iter().all(is_code), "{issuance}");

    for _ in 0..3 {
        assert_eq!(api.issue(&id, "kim").await.json(200), issuance);
    }
    assert_eq!(api.get(&issuance_of(&id, "kim")).await.json(200), issuance);
    let shown = api.show(&id).await;
    assert_eq!(
        (&shown["issued"], &shown["remaining"]),
        (&json!(1), &json!(1)),
        "a repeated request takes no coupon"
    );

    // The issuance survives a restart of the node.
    node.restart().await;
    let api = crate::arrange::Api::of(&node);
    assert_eq!(api.issue(&id, "kim").await.json(200), issuance);
}

async fn sequences_are_dense_and_in_the_order_of_the_responses(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(5).await;
    let mut codes = HashSet::new();
    for number in 1..=5 {
        let issuance = api.issue(&id, &format!("member-{number}")).await.json(201);
        assert_eq!(issuance["sequence"], number);
        codes.insert(issuance["code"].to_string());
        assert_eq!(api.show(&id).await["remaining"], 5 - number);
    }
    assert_eq!(codes.len(), 5);
    api.issue(&id, "member-6").await.problem(409, "sold_out");
    assert_eq!(api.show(&id).await["state"], "sold_out");
}

async fn a_member_may_hold_one_of_each_coupon(engine: Engine) {
    let (_node, api) = engine.node().await;
    let (one, other) = (api.coupon(1).await, api.coupon(1).await);
    let first = api.issue(&one, "kim").await.json(201);
    let second = api.issue(&other, "kim").await.json(201);
    assert_ne!(first["code"], second["code"], "each coupon has its own salt");
    api.get(&issuance_of(&one, "lee")).await.problem(404, "not_issued");
}

async fn concurrent_members_get_exactly_the_total(engine: Engine) {
    const MEMBERS: usize = 200;
    const TOTAL: u32 = 40;
    let (_node, api) = engine.node().await;
    let id = api.coupon(TOTAL).await;
    let mut requests = JoinSet::new();
    // Every member sends two requests at the same time.
    for request in 0..MEMBERS * 2 {
        let (api, id) = (api.clone(), id.clone());
        requests.spawn(async move { api.issue(&id, &format!("member-{}", request % MEMBERS)).await });
    }
    let (mut first, mut again, mut held) = (0, 0, HashSet::<String>::new());
    while let Some(answer) = requests.join_next().await {
        let answer = answer.expect("the task does not panic");
        match answer.status {
            201 => first += 1,
            200 => again += 1,
            _ => {
                answer.problem(409, "sold_out");
                continue;
            }
        }
        let issuance: Value = answer.json(answer.status);
        held.insert(issuance.to_string());
    }
    assert_eq!(
        (first, held.len()),
        (TOTAL, TOTAL as usize),
        "each issuance is in one 201, and the same in a 200"
    );
    assert_eq!(again, TOTAL, "both requests of a holder succeed");
    assert_eq!(api.issued(&id).await, u64::from(TOTAL));
}

async fn unknown_issuances_and_coupons_are_not_found(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    api.get(&issuance_of(&id, "kim")).await.problem(404, "not_issued");
    api.get(&issuance_of("nothing-here", "kim")).await.problem(404, "no_such_coupon");
    api.issue("nothing-here", "kim").await.problem(404, "no_such_coupon");
    api.get("/v1/coupons/nothing-here").await.problem(404, "no_such_coupon");
    for call in ["pause", "resume", "close"] {
        api.call("nothing-here", call).await.problem(404, "no_such_coupon");
    }
    assert_eq!(api.issued(&id).await, 0);
}
