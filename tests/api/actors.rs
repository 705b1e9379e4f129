//! Listing and restarting actors, over HTTP and from the command line.

use reqwest::Method;
use serde_json::{Value, json};

use crate::arrange::{Answer, Api, Engine, on_every_engine};
use crate::program::{Ended, run};

on_every_engine! {
    every_actor_is_listed_with_its_state,
    an_actor_is_restarted_by_its_name_in_any_encoding,
    operators_do_the_same_from_the_command_line,
}

async fn listed(api: &Api) -> Vec<Value> {
    api.get("/v1/admin/actors").await.json(200).as_array().expect("a list").clone()
}

async fn one(api: &Api, name: &str) -> Value {
    listed(api).await.into_iter().find(|actor| actor["name"] == name).expect("the actor is listed")
}

async fn every_actor_is_listed_with_its_state(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(2).await;
    let actors = listed(&api).await;
    let mine = format!("coupon-event/{id}");
    let names: Vec<&str> = actors.iter().map(|actor| actor["name"].as_str().expect("a name")).collect();
    let mut expected = vec![mine.as_str(), "gate-keeper"];
    if engine.is_on_the_full_stack() {
        expected.extend(["outbox", "persister/1", "persister/2", "presence", "publisher"]);
    }
    if matches!(engine, Engine::PostgresPessimistic | Engine::PostgresOptimistic) {
        expected.push("presence");
    }
    expected.extend(["reconciler", "vitals"]);
    // The shared Redis also has coupons of other tests.
    assert_eq!(names.into_iter().filter(|name| !other_coupon(name, &id)).collect::<Vec<_>>(), expected);
    for actor in &actors {
        let name = actor["name"].as_str().expect("a name");
        assert_eq!(actor["kind"], name.split('/').next().expect("a kind"), "{actor}");
        assert_eq!((&actor["state"], &actor["restarts"]), (&json!("running"), &json!(0)), "{actor}");
        assert_eq!((&actor["mailbox_depth"], &actor["last_failure"]), (&json!(0), &json!(null)), "{actor}");
        let since = actor["since"].as_str().expect("a time");
        assert!(since.len() == 24 && since.ends_with('Z'), "{since} is not in RFC 3339");
        assert_eq!(actor.as_object().map(serde_json::Map::len), Some(7), "{actor}");
    }
}

fn other_coupon(name: &str, id: &str) -> bool {
    name.strip_prefix("coupon-event/").is_some_and(|coupon| coupon != id)
}

async fn an_actor_is_restarted_by_its_name_in_any_encoding(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(3).await;
    let name = format!("coupon-event/{id}");
    for (restarts, written) in
        [(1, name.clone()), (2, name.replace('/', "%2F")), (3, name.replace('/', "%2f"))]
    {
        let path = format!("/v1/admin/actors/{written}/restart");
        let actor = Answer::to(api.request(Method::POST, &path)).await.json(200);
        assert_eq!((&actor["name"], &actor["state"]), (&json!(name), &json!("running")), "{actor}");
        assert_eq!(actor["restarts"], restarts, "{actor}");
        api.ask(&id, &format!("m{restarts}")).await.json(201);
    }
    assert_eq!(one(&api, "gate-keeper").await["restarts"], 0, "no other actor restarts");
    for unknown in
        ["unknown", "coupon-event", "coupon-event/nothing-here", "%2F", "a/b/c", "%EC%BF%A0", "*", ".."]
    {
        let path = format!("/v1/admin/actors/{unknown}/restart");
        // The HTTP client resolves the dots itself.
        let answer = Answer::to(api.request(Method::POST, &path)).await;
        let code = if unknown == ".." { "no_such_route" } else { "no_such_actor" };
        answer.problem(404, code);
    }
    Answer::to(api.request(Method::POST, "/v1/admin/actors//restart")).await.problem(404, "no_such_route");
}

async fn actors(server: &str, arguments: &[&str]) -> Ended {
    run(&[&["actors"], arguments].concat(), &[("OPENRUN_SERVER", server)]).await
}

async fn operators_do_the_same_from_the_command_line(engine: Engine) {
    let (node, api) = engine.node().await;
    let (server, id) = (node.url(""), api.coupon(1).await);
    let name = format!("coupon-event/{id}");
    let printed = |ended: &Ended| -> Value {
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("not JSON: {ended:#?}"))
    };
    let list = printed(&actors(&server, &["list", "--json"]).await);
    let list = list.as_array().expect("a list");
    assert!(list.iter().any(|actor| actor["name"] == "gate-keeper"), "{list:?}");
    for field in ["name", "kind", "state", "restarts"] {
        assert!(list.iter().all(|actor| !actor[field].is_null()), "{field}: {list:?}");
    }
    let restarted = printed(&actors(&server, &["--json", "restart", &name]).await);
    assert_eq!((&restarted["name"], &restarted["restarts"]), (&json!(name), &json!(1)));

    let table = actors(&server, &["list"]).await;
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""), "{table:#?}");
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[0].contains("MAILBOX DEPTH"), "{table:#?}");
    assert!(lines.iter().any(|line| line.starts_with(&name) && line.contains("running")), "{table:#?}");

    let unknown = actors(&server, &["restart", "unknown"]).await;
    assert!(unknown.one_line(1).starts_with("no_such_actor"), "{unknown:#?}");
    assert_eq!(actors(&server, &["restart"]).await.code, Some(2), "the name is required");
}
