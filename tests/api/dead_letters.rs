//! Listing, replaying and discarding dead letters, over HTTP and from the command line.

use openrun::domain::IssuedCoupon;
use reqwest::Method;
use serde_json::{Value, json};

use crate::arrange::{Answer, Api, EVENT_BOUND, Engine, on_both_engines, until};
use crate::program::{Ended, run};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{postgres_rows, until_persisted};
use crate::support::strays::{publish, publish_issuance, stray};

const AT: &str = "/v1/admin/dead-letters";

on_both_engines! {
    without_dead_letters_the_list_is_empty,
    a_malformed_limit_or_reason_is_refused,
}

/// An issuance that no engine decided.
pub(crate) fn issuance(coupon: &str, sequence: u32) -> IssuedCoupon {
    stray(coupon, sequence, &format!("m{sequence}"))
}

async fn listed(api: &Api) -> Vec<Value> {
    api.get(AT).await.json(200).as_array().expect("a list").clone()
}

async fn until_dead(api: &Api, count: usize) -> Vec<Value> {
    until("the dead letters", EVENT_BOUND, async || listed(api).await.len() >= count).await;
    let letters = listed(api).await;
    assert_eq!(letters.len(), count, "{letters:?}");
    letters
}

async fn post(api: &Api, path: &str) -> Answer {
    Answer::to(api.request(Method::POST, path)).await
}

async fn without_dead_letters_the_list_is_empty(engine: Engine) {
    let (node, api) = engine.node().await;
    assert_eq!(api.get(AT).await.json(200), json!([]));
    api.get(&format!("{AT}/unknown")).await.problem(404, "no_such_letter");
    post(&api, &format!("{AT}/unknown/replay")).await.problem(404, "no_such_letter");
    Answer::to(api.request(Method::DELETE, &format!("{AT}/unknown"))).await.problem(404, "no_such_letter");
    assert_eq!(post(&api, &format!("{AT}/replay")).await.json(200), json!({ "replayed": 0, "left": 0 }));
    let list = run(&["dead-letters", "list", "--json"], &[("OPENRUN_SERVER", &node.url(""))]).await;
    assert_eq!((list.code, list.stdout.as_str(), list.stderr.as_str()), (Some(0), "[]\n", ""));
}

async fn a_malformed_limit_or_reason_is_refused(engine: Engine) {
    let (_node, api) = engine.node().await;
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "more=1"] {
        api.get(&format!("{AT}?{query}")).await.problem(400, "invalid_parameter");
        post(&api, &format!("{AT}/replay?{query}")).await.problem(400, "invalid_parameter");
    }
    for query in [format!("reason={}", "x".repeat(501)), "why=x".to_owned()] {
        let call = api.request(Method::DELETE, &format!("{AT}/unknown?{query}"));
        Answer::to(call).await.problem(400, "invalid_parameter");
    }
}

/// A message becomes a dead letter, fails again after a replay, and succeeds after another, even twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_can_be_replayed_after_its_cause_is_removed() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let api = Api::of(&node);
    // The coupon is not in the database yet.
    let (id, early) = ("late-coupon", issuance("late-coupon", 1));
    publish_issuance(&stack, &early).await;
    let letters = until_dead(&api, 1).await;
    let letter = &letters[0];
    assert_eq!(letter["id"], early.code.as_str());
    assert_eq!((&letter["coupon_id"], &letter["member_id"]), (&json!(id), &json!("m1")));
    assert_eq!(letter["sequence"], 1);
    let reason = letter["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("foreign key") && reason.contains(id),
        "the reason has PostgreSQL's message: {reason}"
    );
    assert_eq!(letter["history"].as_array().map(Vec::len), Some(1), "{letter}");
    assert!(letter["died_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{letter}");

    let at = format!("{AT}/{}", early.code);
    assert_eq!(post(&api, &format!("{at}/replay")).await.json(200), json!({ "replayed": 1, "left": 0 }));
    let letter = until_dead(&api, 1).await.remove(0);
    let what: Vec<_> =
        letter["history"].as_array().expect("a list").iter().map(|e| e["what"].clone()).collect();
    assert_eq!(what, ["rejected", "replayed", "rejected"], "{letter}");

    api.post("/v1/coupons", &json!({ "id": id, "total": 5 })).await.json(201);
    assert_eq!(post(&api, &format!("{AT}/replay")).await.json(200), json!({ "replayed": 1, "left": 0 }));
    until_persisted(&stack.database_url, id, 1).await;
    assert_eq!(listed(&api).await, Vec::<Value>::new());
    // A repeated message changes nothing.
    publish_issuance(&stack, &early).await;
    until("the repeated message", EVENT_BOUND, async || {
        api.metric("openrun_persisted_again_total").await > 0.5
    })
    .await;
    let rows = postgres_rows(&stack.database_url, id).await;
    assert_eq!(rows, [(1, "m1".to_owned(), early.code.as_str().to_owned())]);
    assert!((api.metric("openrun_dead_letters_replayed_total").await - 2.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_work_from_the_command_line() {
    let stack = Stack::shared().await;
    let mut node = NodeProcess::redis_lua(&stack).start().await;
    let (api, server) = (Api::of(&node), node.url(""));
    let letters = async |arguments: &[&str]| -> Ended {
        run(&[&["dead-letters"], arguments].concat(), &[("OPENRUN_SERVER", &server)]).await
    };
    let json_output = |ended: &Ended| -> Value {
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("not JSON: {ended:#?}"))
    };
    publish(&stack, None, b"\x1b[31mnot an event").await;
    publish_issuance(&stack, &issuance("unknown-coupon", 1)).await;
    until_dead(&api, 2).await;
    let list = json_output(&letters(&["list", "--json"]).await);
    let ids: Vec<&str> = list.as_array().expect("a list").iter().filter_map(|l| l["id"].as_str()).collect();
    assert_eq!(ids.len(), 2);
    let (garbage, known) = if ids[0].starts_with("body-") { (ids[0], ids[1]) } else { (ids[1], ids[0]) };
    assert_eq!(
        json_output(&letters(&["list", "--limit", "1", "--json"]).await).as_array().map(Vec::len),
        Some(1)
    );
    let shown = json_output(&letters(&["show", garbage]).await);
    assert_eq!(shown["payload"], "\u{1b}[31mnot an event");
    assert!(shown["reason"].as_str().is_some_and(|why| why.contains("no CloudEvent")), "{shown}");
    let table = letters(&["list"]).await;
    assert!(table.stdout.starts_with("ID") && table.stdout.contains(known), "{table:#?}");
    assert!(!table.stdout.contains('\u{1b}'), "{table:#?}");

    let replayed = json_output(&letters(&["replay", known, "--json"]).await);
    assert_eq!(replayed["replayed"], 1);
    until_dead(&api, 2).await;
    let discarded =
        json_output(&letters(&["discard", garbage, "--reason", "no event of ours", "--json"]).await);
    assert_eq!(
        (&discarded["id"], &discarded["discarded"], &discarded["left"]),
        (&json!(garbage), &json!(1), &json!(1))
    );
    assert_eq!(discarded["payload"], "\u{1b}[31mnot an event");
    assert!(letters(&["discard", garbage]).await.one_line(1).starts_with("no_such_letter"));
    assert_eq!(
        json_output(&letters(&["replay", "--all", "--json"]).await),
        json!({ "replayed": 1, "left": 0 })
    );
    for wrong in [&["replay"][..], &["replay", known, "--all"], &["list", "--limit", "0"], &["show"]] {
        assert_eq!(letters(wrong).await.code, Some(2), "{wrong:?}");
    }
    assert!((api.metric("openrun_dead_letters_discarded_total").await - 1.0).abs() < 0.5);
    node.terminate().await;
    let log = node.log();
    assert!(log.contains("no event of ours"), "the log has the reason of the discard");
    for letter in [garbage, known] {
        assert!(log.contains(&format!(r#""letter":"{letter}""#)), "the log has the letter's id");
    }
    assert!(!log.contains("Some(") && !log.contains("CouponId"), "{log}");
}
