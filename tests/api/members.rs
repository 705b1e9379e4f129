//! Valid and invalid member ids. An id is never interpreted.

use serde_json::json;

use crate::arrange::{Engine, issuance_of, issuances, on_both_engines};
use crate::raw::{exchange, head};

on_both_engines! {
    hostile_ids_are_ordinary_ids,
    similar_ids_are_different_members,
    unreadable_ids_are_refused,
    a_path_that_is_not_text_is_refused,
}

async fn hostile_ids_are_ordinary_ids(engine: Engine) {
    let (node, api) = engine.node().await;
    let hostile = [
        "a".to_owned(),
        "user@example.com".to_owned(),
        "' OR 1=1; DROP TABLE coupon_issuances; --".to_owned(),
        "\"quoted\" \\back\\slash\\ `tick`".to_owned(),
        "a/b/../c".to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        "%2F%00%25".to_owned(),
        "a?b=c&d#e".to_owned(),
        "{member}:*:$1 ${x} %s %n".to_owned(),
        "{\"member_id\":\"x\"}".to_owned(),
        "0".to_owned(),
        "null".to_owned(),
        "한글 漢字 ñ é ß".to_owned(),
        "👩\u{1F3FD}🎫".to_owned(),
        "1 1700000000000".to_owned(),
        " leading and trailing ".to_owned(),
        "+1 234".to_owned(),
        "x".repeat(128),
        "🎫".repeat(128),
    ];
    let id = api.coupon(u32::try_from(hostile.len()).expect("a small number")).await;
    for (member, sequence) in hostile.iter().zip(1..) {
        let won = api.ask(&id, member).await.json(201);
        assert_eq!((&won["member_id"], &won["sequence"]), (&json!(member), &json!(sequence)), "{member:?}");
        // Sent without an HTTP library, which would resolve `%2E%2E`.
        let request = head("GET", &issuance_of(&id, member), &[]);
        let found = exchange(node.address(), request).await.expect("a response");
        assert_eq!(found.json(200), won, "{member:?}");
    }
    for member in &hostile {
        assert_eq!(
            api.ask(&id, member).await.json(200)["member_id"],
            *member,
            "after the coupon was sold out"
        );
    }
}

async fn similar_ids_are_different_members(engine: Engine) {
    let (_node, api) = engine.node().await;
    let alike = ["kim", "Kim", "kim ", " kim", "k\u{0069}\u{0301}m", "k\u{00ed}m", "kіm"];
    let id = api.coupon(10).await;
    for (member, sequence) in alike.iter().zip(1..) {
        assert_eq!(api.ask(&id, member).await.json(201)["sequence"], sequence, "{member:?}");
    }
}

async fn unreadable_ids_are_refused(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(10).await;
    let unreadable = [
        String::new(),
        "\0".to_owned(),
        "a\nb".to_owned(),
        "a\tb".to_owned(),
        "a\u{7f}".to_owned(),
        "a\u{85}".to_owned(),
        "zero\u{200b}width".to_owned(),
        "zero\u{200d}joiner".to_owned(),
        "\u{202e}reversed".to_owned(),
        "line\u{2028}separator".to_owned(),
        "\u{feff}mark".to_owned(),
        "soft\u{00ad}hyphen".to_owned(),
        "tag\u{e0041}".to_owned(),
        "x".repeat(129),
        "🎫".repeat(129),
        "x".repeat(10_000),
    ];
    for member in &unreadable {
        api.ask(&id, member).await.problem(422, "invalid_member_id");
        if !member.is_empty() {
            api.get(&issuance_of(&id, member)).await.problem(422, "invalid_member_id");
        }
        assert_eq!(api.issued(&id).await, 0, "{member:?}");
    }
}

async fn a_path_that_is_not_text_is_refused(engine: Engine) {
    let (node, api) = engine.node().await;
    let id = api.coupon(1).await;
    for path in [
        format!("{}/%FF%FE", issuances(&id)),
        format!("{}/%C3%28", issuances(&id)),
        format!("{}/%ED%A0%80", issuances(&id)),
        "/v1/coupons/%FF".to_owned(),
        "/v1/coupons/%FF/issuances/kim".to_owned(),
    ] {
        let answer = exchange(node.address(), head("GET", &path, &[])).await.expect("a response");
        let code = answer.code();
        // Bytes that are not text may become the replacement character, and then no member is found.
        let status = if code == "not_issued" { 404 } else { 400 };
        assert!(matches!(code.as_str(), "invalid_parameter" | "not_issued"), "{path}: {}", answer.text());
        answer.problem(status, &code);
    }
    assert_eq!(api.issued(&id).await, 0);
}
