//! Creating, listing and reading coupons.

use serde_json::{Value, json};

use crate::arrange::{Engine, on_both_engines};
use crate::support::shared::coupon_id;

on_both_engines! {
    a_coupon_has_the_fields_of_its_creation,
    absent_fields_have_defaults,
    creating_the_same_coupon_again_succeeds_and_a_different_one_conflicts,
    times_may_have_any_offset,
    invalid_terms_are_refused,
    pages_have_every_coupon_once_in_order,
    the_limit_of_a_page_has_bounds,
}

async fn a_coupon_has_the_fields_of_its_creation(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = coupon_id();
    let body = json!({
        "id": id, "name": "한정 쿠폰 🎫", "description": "two\nlines", "discount": "30% off", "total": 7,
        "opens_at": "2026-01-01T00:00:00.000Z", "closes_at": "2199-01-01T00:00:00.000Z",
        "valid_until": "2199-06-01T00:00:00.000Z",
    });
    let created = api.post("/v1/coupons", &body).await.json(201);
    for (name, value) in body.as_object().expect("an object") {
        assert_eq!(created[name], *value, "{name}");
    }
    for (name, value) in [
        ("state", json!("open")),
        ("lifecycle", json!("active")),
        ("issued", json!(0)),
        ("remaining", json!(7)),
        ("total", json!(7)),
    ] {
        assert_eq!(created[name], value, "{name}");
    }
    assert!(created["created_at"].is_string(), "{created}");
    let names = created.as_object().expect("an object").len();
    assert_eq!(names, 13, "the number of fields differs from the contract: {created}");
    assert_eq!(api.shown(&id).await, created);
    let listed = api.get("/v1/coupons").await.json(200);
    assert_eq!(listed, json!({ "coupons": [created], "next": null }));
}

async fn absent_fields_have_defaults(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    let shown = api.shown(&id).await;
    assert_eq!(shown["name"], id.as_str());
    assert_eq!((&shown["description"], &shown["discount"]), (&json!(""), &json!("")));
    assert_eq!((&shown["closes_at"], &shown["valid_until"]), (&Value::Null, &Value::Null));
    assert_eq!(shown["state"], "open");
    let (opens, created) = (shown["opens_at"].as_str(), shown["created_at"].as_str());
    assert!(opens.is_some() && opens <= created, "the coupon opens at once: {shown}");
}

async fn creating_the_same_coupon_again_succeeds_and_a_different_one_conflicts(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = coupon_id();
    let body = json!({ "id": id, "total": 3, "discount": "5%" });
    let first = api.post("/v1/coupons", &body).await.json(201);
    api.ask(&id, "kim").await.json(201);
    let again = api.post("/v1/coupons", &body).await.json(200);
    assert_eq!(again["created_at"], first["created_at"]);
    assert_eq!((&again["issued"], &again["remaining"]), (&json!(1), &json!(2)), "the issuances are kept");
    for (name, value) in [
        ("total", json!(4)),
        ("discount", json!("6%")),
        ("name", json!("another")),
        ("opens_at", json!("2026-01-01T00:00:00Z")),
        ("closes_at", json!("2199-01-01T00:00:00Z")),
        ("valid_until", json!("2199-01-01T00:00:00Z")),
    ] {
        let mut other = body.clone();
        other[name] = value;
        api.post("/v1/coupons", &other).await.problem(409, "coupon_exists");
    }
    assert_eq!(api.shown(&id).await["total"], 3);
}

async fn times_may_have_any_offset(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = coupon_id();
    let at = |opens_at: &str| json!({ "id": id, "total": 1, "opens_at": opens_at });
    let created = api.post("/v1/coupons", &at("2030-01-01T09:00:00+09:00")).await.json(201);
    assert_eq!(created["opens_at"], "2030-01-01T00:00:00.000Z");
    assert_eq!(created["state"], "not_open");
    for same in ["2030-01-01T00:00:00Z", "2029-12-31T19:00:00.0000-05:00", "2030-01-01T05:45:00.000999+05:45"]
    {
        api.post("/v1/coupons", &at(same)).await.json(200);
    }
    for wrong in
        ["2030-01-01", "2030-01-01T00:00:00", "1893456000", "2030-02-30T00:00:00Z", "1969-01-01T00:00:00Z"]
    {
        api.post("/v1/coupons", &at(wrong)).await.problem(400, "invalid_body");
    }
}

async fn invalid_terms_are_refused(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = coupon_id();
    let wrong: [(u16, Value); 25] = [
        (422, json!({ "total": 0 })),
        (422, json!({ "total": 100_000_001 })),
        (400, json!({ "total": -1 })),
        (400, json!({ "total": 1.5 })),
        (400, json!({ "total": "10" })),
        (400, json!({ "total": 4_294_967_296_u64 })),
        (400, json!({ "total": null })),
        (400, json!({ "name": "no total" })),
        (400, json!({ "total": 1, "stock": 1 })),
        (400, json!({ "total": 1, "state": "open" })),
        (400, json!({ "total": 1, "name": 7 })),
        (400, json!({ "total": 1, "description": null })),
        (400, json!({ "total": 1, "opens_at": 1_900_000_000 })),
        (422, json!({ "total": 1, "name": "" })),
        (422, json!({ "total": 1, "name": "  " })),
        (422, json!({ "total": 1, "name": "two\nlines" })),
        (422, json!({ "total": 1, "name": "x".repeat(201) })),
        (422, json!({ "total": 1, "discount": "\u{202e}%03" })),
        (422, json!({ "total": 1, "description": "x".repeat(2_001) })),
        (422, json!({ "total": 1, "description": "\u{0000}" })),
        (422, json!({ "total": 1, "opens_at": "2030-01-01T00:00:00Z", "closes_at": "2030-01-01T00:00:00Z" })),
        (
            422,
            json!({ "total": 1, "opens_at": "2030-01-02T00:00:00Z", "valid_until": "2030-01-01T00:00:00Z" }),
        ),
        (422, json!({ "total": 1, "closes_at": "2020-01-01T00:00:00Z" })),
        (422, json!({ "total": 1, "id": "a b" })),
        (422, json!({ "total": 1, "id": "x".repeat(65) })),
    ];
    for (status, mut body) in wrong {
        if body.get("id").is_none() {
            body["id"] = id.as_str().into();
        }
        let code = if status == 422 { "invalid_coupon" } else { "invalid_body" };
        api.post("/v1/coupons", &body).await.problem(status, code);
    }
    assert_eq!(api.get("/v1/coupons").await.json(200)["coupons"], json!([]), "nothing was created");
}

async fn pages_have_every_coupon_once_in_order(engine: Engine) {
    let (_node, api) = engine.node().await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(api.coupon(1).await);
    }
    ids.sort();
    for limit in [1, 3, 7, 500] {
        let (mut seen, mut path) = (Vec::new(), format!("/v1/coupons?limit={limit}"));
        loop {
            let page = api.get(&path).await.json(200);
            let coupons = page["coupons"].as_array().expect("a page has coupons");
            assert!(coupons.len() <= limit, "{page}");
            seen.extend(coupons.iter().map(|coupon| coupon["id"].as_str().unwrap_or_default().to_owned()));
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/coupons?limit={limit}&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ids, "by {limit}");
    }
}

async fn the_limit_of_a_page_has_bounds(engine: Engine) {
    let (_node, api) = engine.node().await;
    for query in [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=many",
        "after=a%20b",
        "after=",
        "page=2",
        "limit=1&limit=2",
    ] {
        api.get(&format!("/v1/coupons?{query}")).await.problem(400, "invalid_parameter");
    }
    api.get("/v1/coupons?limit=500&after=zzz").await.json(200);
}
