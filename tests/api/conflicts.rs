//! Listing and settling conflicts, over HTTP and from the command line.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

use crate::arrange::{Answer, Api, EVENT_BOUND, Engine, on_both_engines, until};
use crate::dead_letters::issuance;
use crate::program::{Ended, run};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::until_persisted;
use crate::support::strays::publish_issuance;

const AT: &str = "/v1/admin/conflicts";

on_both_engines! {
    without_conflicts_the_list_is_empty,
    malformed_parameters_are_refused,
}

async fn settle(api: &Api, id: &str, body: &Value) -> Answer {
    Answer::to(api.request(Method::POST, &format!("{AT}/{id}/settle")).json(body)).await
}

async fn without_conflicts_the_list_is_empty(engine: Engine) {
    let (node, api) = engine.node().await;
    for query in ["", "?settled=true", "?coupon_id=nothing", "?after=7&limit=1000"] {
        assert_eq!(api.get(&format!("{AT}{query}")).await.json(200), json!([]));
    }
    for id in ["1", "-1", "0", "unknown", "99999999999999999999"] {
        api.get(&format!("{AT}/{id}")).await.problem(404, "no_such_conflict");
        settle(&api, id, &json!({ "note": "x" })).await.problem(404, "no_such_conflict");
    }
    let list = run(&["conflicts", "list", "--json"], &[("OPENRUN_SERVER", &node.url(""))]).await;
    assert_eq!((list.code, list.stdout.as_str(), list.stderr.as_str()), (Some(0), "[]\n", ""));
}

async fn malformed_parameters_are_refused(engine: Engine) {
    let (_node, api) = engine.node().await;
    for query in ["limit=0", "limit=1001", "limit=x", "after=x", "settled=maybe", "coupon_id=a%20b", "more=1"]
    {
        api.get(&format!("{AT}?{query}")).await.problem(400, "invalid_parameter");
    }
    for body in [json!({}), json!([]), json!({ "note": 7 }), json!({ "note": "x", "more": 1 })] {
        settle(&api, "1", &body).await.problem(400, "invalid_body");
    }
    for note in ["", "  ", "two\nlines", &"x".repeat(501)] {
        settle(&api, "1", &json!({ "note": note })).await.problem(422, "invalid_note");
    }
}

async fn listed(api: &Api) -> Vec<Value> {
    api.get(AT).await.json(200).as_array().expect("a list").clone()
}

/// A settled conflict is not reported again, but another one is.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_listed_until_it_is_settled_and_its_repetition_is_not_listed() {
    let stack = Stack::shared().await;
    let mut node = NodeProcess::redis_lua(&stack).set("OPENRUN_PERSISTERS", "1").start().await;
    let (api, server) = (Api::of(&node), node.url(""));
    let conflicts = async |arguments: &[&str]| -> Ended {
        run(&[&["conflicts"], arguments].concat(), &[("OPENRUN_SERVER", &server)]).await
    };
    let printed = |ended: &Ended| -> Value {
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("not JSON: {ended:#?}"))
    };
    api.post("/v1/coupons", &json!({ "id": "drop", "total": 9 })).await.json(201);
    publish_issuance(&stack, &issuance("drop", 1)).await;
    until_persisted(&stack.database_url, "drop", 1).await;
    // The member of the second issuance with the sequence of the first.
    let mut rival = issuance("drop", 2);
    rival.sequence = 1;
    publish_issuance(&stack, &rival).await;
    until("the conflict", EVENT_BOUND, async || listed(&api).await.len() == 1).await;
    let found = listed(&api).await.remove(0);
    assert_eq!(
        (&found["coupon_id"], &found["member_id"], &found["sequence"]),
        (&json!("drop"), &json!("m2"), &json!(1))
    );
    assert_eq!(
        (&found["code"], &found["settled_at"], &found["note"]),
        (&json!(rival.code.as_str()), &Value::Null, &Value::Null)
    );
    assert!(found["held"].as_str().is_some_and(|held| held.contains("\"m1\"")), "{found}");
    let id = found["id"].to_string();
    assert_eq!(printed(&conflicts(&["show", &id]).await), found);
    let table = conflicts(&["list", "--coupon", "drop"]).await;
    assert!(table.stdout.starts_with("ID") && table.stdout.contains("m2"), "{table:#?}");
    assert_eq!(printed(&conflicts(&["list", "--coupon", "other", "--json"]).await), json!([]));
    assert_eq!(printed(&conflicts(&["list", "--after", &id, "--json"]).await), json!([]));

    let settled = printed(&conflicts(&["settle", &id, "--note", "m2 got another; ticket 7", "--json"]).await);
    assert_eq!((&settled["id"], &settled["note"]), (&found["id"], &json!("m2 got another; ticket 7")));
    assert!(settled["settled_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{settled}");
    let again = json!({ "note": "m2 got another; ticket 7" });
    assert_eq!(settle(&api, &id, &again).await.json(200), settled, "settling twice is safe");
    settle(&api, &id, &json!({ "note": "otherwise" })).await.problem(409, "already_settled");
    assert_eq!(listed(&api).await, Vec::<Value>::new());
    assert_eq!(printed(&conflicts(&["list", "--settled", "--json"]).await), json!([settled]));

    // The same conflict again, a new one, and then a valid issuance. One persister processes them in this order, so both
    // conflicts are processed when the last one is a row.
    let mut other = issuance("drop", 3);
    other.sequence = 1;
    let alarms = api.metric("openrun_conflicts_total").await;
    publish_issuance(&stack, &rival).await;
    publish_issuance(&stack, &other).await;
    until("the conflict", EVENT_BOUND, async || listed(&api).await.len() == 1).await;
    assert_eq!(listed(&api).await[0]["member_id"], "m3");
    publish_issuance(&stack, &issuance("drop", 4)).await;
    until_persisted(&stack.database_url, "drop", 2).await;
    let more = api.metric("openrun_conflicts_total").await - alarms;
    assert!((more - 1.0).abs() < 0.5, "{more} alarms");
    for wrong in [&["settle", "1"][..], &["settle", "x", "--note", "x"], &["list", "--limit", "0"], &["show"]]
    {
        assert_eq!(conflicts(wrong).await.code, Some(2), "{wrong:?}");
    }
    let unknown = conflicts(&["settle", "99", "--note", "x"]).await;
    assert!(unknown.one_line(1).starts_with("no_such_conflict"));
    node.terminate().await;
    assert!(node.log().contains("ticket 7"), "the note is in the log");
}

/// A failed read has changed nothing. The log names the failed call.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_failed_change_is_reported_as_possibly_executed() {
    let stack = Stack::shared().await;
    let mut node = NodeProcess::redis_lua(&stack).start().await;
    let (api, server) = (Api::of(&node), node.url(""));
    let mut database = sqlx::PgConnection::connect(&stack.database_url).await.expect("PostgreSQL is there");
    for table in ["issuance_conflicts", "lost_numbers"] {
        let taken_away = format!("ALTER TABLE {table} RENAME TO {table}_elsewhere");
        database.execute(sqlx::AssertSqlSafe(taken_away)).await.expect("the table exists");
    }
    let perhaps = "the change may be done or not, repeat the call";
    for path in [AT, "/v1/admin/conflicts/1", "/v1/admin/lost-numbers"] {
        let problem = api.get(path).await.problem(503, "unavailable");
        assert_eq!(problem["detail"], "the database did not answer; try again");
    }
    let problem = settle(&api, "1", &json!({ "note": "x" })).await.problem(503, "unavailable");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(perhaps)), "{problem}");
    for command in [&["conflicts", "list"][..], &["conflicts", "show", "1"], &["lost-numbers", "list"]] {
        let line = run(command, &[("OPENRUN_SERVER", &server)]).await.one_line(1);
        assert!(!line.contains("done"), "{line}");
    }
    node.terminate().await;
    let log = node.log();
    let line = log
        .lines()
        .find(|line| line.contains("/v1/admin/conflicts/1/settle"))
        .expect("the call is in the log");
    for part in
        [r#""method":"POST""#, "an operator's call failed and was answered with a problem", r#""error":"#]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(line.contains("does not exist"), "the cause is in the line: {line}");
}
