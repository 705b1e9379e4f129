//! `openrun coupons` against a node, and the help of every command.

use serde_json::{Value, json};

use crate::arrange::{Engine, on_both_engines, started};
use crate::program::{Ended, run};
use crate::support::shared::coupon_id;

on_both_engines! { all_calls_work_from_the_command_line }

async fn coupons(server: &str, arguments: &[&str]) -> Ended {
    run(&[&["coupons"], arguments].concat(), &[("OPENRUN_SERVER", server)]).await
}

#[track_caller]
fn json_output(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("not JSON: {ended:#?}"))
}

async fn all_calls_work_from_the_command_line(engine: Engine) {
    let (node, api) = engine.node().await;
    let (server, id) = (node.url(""), coupon_id());
    let create =
        ["create", &id, "--total", "2", "--name", "쿠폰 one", "--discount", "5%", "--description", "fine"];
    let ends =
        ["--closes-at", "2198-01-01T09:00:00+09:00", "--valid-until", "2199-01-01T00:00:00Z", "--json"];
    let created = json_output(&coupons(&server, &[&create[..], &ends[..]].concat()).await);
    assert_eq!((&created["name"], &created["total"]), (&json!("쿠폰 one"), &json!(2)));
    assert_eq!(created["closes_at"], "2198-01-01T00:00:00.000Z");
    assert_eq!(json_output(&coupons(&server, &["show", &id, "--json"]).await), created);
    assert_eq!(json_output(&coupons(&server, &["--json", "list"]).await), json!([created]));

    for (call, state) in [("pause", "paused"), ("resume", "open"), ("close", "closed")] {
        assert_eq!(json_output(&coupons(&server, &[call, &id, "--json"]).await)["state"], state);
        assert_eq!(api.shown(&id).await["state"], state);
    }
    let table = coupons(&server, &["list"]).await;
    assert_eq!(table.code, Some(0), "{table:#?}");
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{table:#?}");
    assert!(lines[0].starts_with("ID") && lines[1].starts_with(id.as_str()), "{table:#?}");
    assert!(lines[1].contains("closed"), "{table:#?}");

    // Calls that the node refuses.
    for (arguments, code) in [
        (vec!["resume", &id], "closed"),
        (vec!["show", "nothing-here"], "no_such_coupon"),
        (vec!["create", &id, "--total", "3"], "coupon_exists"),
        (vec!["create", "another", "--total", "0"], "invalid_coupon"),
    ] {
        let refused = coupons(&server, &arguments).await;
        assert!(refused.one_line(1).starts_with(code), "{refused:#?}");
        assert_eq!(refused.stdout, "");
    }
}

#[tokio::test]
async fn a_list_of_many_pages_is_printed_completely() {
    let (node, api) = Engine::Embedded.node().await;
    for number in 0..502 {
        api.post("/v1/coupons", &json!({ "id": format!("c{number:04}"), "total": 1 })).await.json(201);
    }
    let listed = json_output(&coupons(&node.url(""), &["list", "--json"]).await);
    assert_eq!(listed.as_array().map(Vec::len), Some(502));
}

#[tokio::test]
async fn an_absent_server_is_reported_in_one_line() {
    let (node, _api) = Engine::Embedded.node().await;
    let wrong_path = node.url("/elsewhere");
    for server in
        ["http://127.0.0.1:1", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "nonsense", "", &wrong_path]
    {
        for arguments in [vec!["list"], vec!["show", "x"], vec!["create", "x", "--total", "1"]] {
            let ended = coupons(server, &arguments).await;
            // The node refuses a wrong path; all other calls never reach it.
            if server == wrong_path {
                assert!(ended.one_line(1).starts_with("no_such_route"), "{ended:#?}");
            } else {
                assert!(ended.one_line(2).contains("OPENRUN_SERVER"), "{server}: {ended:#?}");
            }
        }
    }
    let ended = coupons(&node.url(""), &["show", "a b"]).await;
    assert!(ended.one_line(2).contains("coupon id"), "{ended:#?}");
}

#[tokio::test]
async fn the_token_goes_with_the_call_and_is_not_shown() {
    let token = "correct-horse-battery-staple";
    let (node, _api) = started(Engine::Embedded.builder().await.set("OPENRUN_ADMIN_TOKEN", token)).await;
    let create = ["coupons", "create", "drop", "--total", "1"];
    let server = node.url("");
    let with = |token| [("OPENRUN_SERVER", server.as_str()), ("OPENRUN_ADMIN_TOKEN", token)];
    let refused = run(&create, &with("a-wrong-token-of-some-length")).await;
    assert!(refused.one_line(1).starts_with("unauthorized"), "{refused:#?}");
    assert!(!refused.stderr.contains("a-wrong-token"), "{refused:#?}");
    assert_eq!(run(&create, &with(token)).await.code, Some(0));
}

/// The environment variables of each command.
const NODE: [&str; 26] = [
    "OPENRUN_ENGINE",
    "OPENRUN_DATA_DIR",
    "OPENRUN_REDIS_URL",
    "OPENRUN_AMQP_URL",
    "OPENRUN_DATABASE_URL",
    "OPENRUN_AMQP_NAMESPACE",
    "OPENRUN_ACCEPT_REDIS_DATA_LOSS",
    "OPENRUN_ROLES",
    "OPENRUN_ACK",
    "OPENRUN_ADMIN_TOKEN",
    "OPENRUN_PERSISTERS",
    "OPENRUN_RECONCILE_INTERVAL",
    "OPENRUN_DATABASE_CONNECTIONS",
    "OPENRUN_WORKERS",
    "OPENRUN_SHARDS",
    "OPENRUN_QUEUE_LIMIT",
    "OPENRUN_MAX_CONNECTIONS",
    "OPENRUN_REQUEST_TIMEOUT_MS",
    "OPENRUN_SHUTDOWN_TIMEOUT",
    "OPENRUN_LOG_FORMAT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
];

#[tokio::test]
async fn the_help_of_every_command_names_its_settings() {
    let more = |names: &[&'static str]| [&NODE[..], &["OPENRUN_LOG"], names].concat();
    let client = vec!["OPENRUN_SERVER", "OPENRUN_ADMIN_TOKEN"];
    let mut commands = vec![
        (vec!["serve"], more(&["OPENRUN_BIND"])),
        (vec!["demo"], more(&[])),
        (vec!["migrate"], vec!["OPENRUN_DATABASE_URL", "OPENRUN_DATA_DIR", "OPENRUN_ENGINE"]),
        (vec!["coupons"], client.clone()),
        (vec!["actors"], client.clone()),
        (vec!["actors", "list"], client.clone()),
        (vec!["actors", "restart"], client.clone()),
        (vec!["dead-letters"], client.clone()),
        (vec!["dead-letters", "list"], client.clone()),
        (vec!["dead-letters", "show"], client.clone()),
        (vec!["dead-letters", "replay"], client.clone()),
        (vec!["dead-letters", "discard"], client.clone()),
        (
            vec!["reconcile"],
            NODE[..3].iter().copied().chain(["OPENRUN_DATABASE_URL", "OPENRUN_LOG"]).collect(),
        ),
        (vec!["probe"], vec!["OPENRUN_BIND"]),
        (vec!["verify"], NODE[..6].iter().copied().chain(["OPENRUN_LOG"]).collect()),
    ];
    for call in ["create", "list", "show", "pause", "resume", "close"] {
        commands.push((vec!["coupons", call], client.clone()));
    }
    for (command, names) in commands {
        // The help does not show secrets.
        let secret = [("OPENRUN_ADMIN_TOKEN", "a-secret-of-sufficient-length")];
        let help = run(&[&command[..], &["--help"]].concat(), &secret).await;
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{help:#?}");
        for name in names {
            // Without the value of a secret, its equals sign is absent as well.
            let shown = [format!("[env: {name}="), format!("[env: {name}]")];
            assert!(shown.iter().any(|shown| help.stdout.contains(shown)), "{command:?} --help lacks {name}");
        }
        assert!(!help.stdout.contains("a-secret"), "{command:?} --help shows the token");
    }
    let help = run(&["--help"], &[]).await;
    for command in
        ["serve", "demo", "migrate", "coupons", "actors", "dead-letters", "reconcile", "verify", "probe"]
    {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{}", help.stdout);
    }
    let version = run(&["--version"], &[]).await;
    assert_eq!(version.stdout, format!("openrun {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&[], &[]).await.code, Some(2), "a missing subcommand is a usage error");
    assert_eq!(run(&["server"], &[]).await.code, Some(2));
}

#[tokio::test]
async fn a_usage_error_is_one_line_that_names_the_help() {
    let create = ["coupons", "create", "x", "--total", "1"];
    for (arguments, message, help) in [
        (vec!["serve", "--persisters", "-1"], "'-1'", "`openrun serve --help`"),
        (vec!["serve", "extra"], "'extra'", "`openrun serve --help`"),
        (vec!["serve", "--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0"], "--bind", "`openrun serve --help`"),
        (vec!["serve", "--bnd", "127.0.0.1:0"], "--bnd", "`openrun serve --help`"),
        (vec!["serve", "--bind"], "--bind", ""),
        (vec!["coupons", "create", "x"], "--total", "`openrun coupons create --help`"),
        ([&create[..], &["--opens-at", "tomorrow"]].concat(), "--opens-at", ""),
        ([&create[..], &["--closes-at", "2026-13-01T00:00:00Z"]].concat(), "--closes-at", ""),
        ([&create[..], &["--valid-until", "2026-12-01"]].concat(), "--valid-until", ""),
        (vec!["coupons", "show"], "<", "`openrun coupons show --help`"),
        (vec!["coupons", "shw", "x"], "'shw'", "`openrun coupons --help`"),
        (vec!["server"], "'server'", "`openrun --help`"),
        (vec!["serve", "--workers", "many"], "'many'", ""),
    ] {
        let line = run(&arguments, &[]).await.one_line(2);
        assert!(line.contains(message) && line.contains(help), "{arguments:?}: {line}");
    }
}

/// No client could ever send such a token.
#[tokio::test]
async fn a_token_that_no_header_can_carry_is_refused_by_node_and_command() {
    for token in [
        "correct-horse\nbattery-staple",
        "correct-horse-battery\u{7f}",
        "correct-horse-battery-쿠폰",
        " correct-horse-battery",
    ] {
        let settings = [("OPENRUN_ADMIN_TOKEN", token), ("OPENRUN_BIND", "127.0.0.1:0")];
        for arguments in [vec!["serve"], vec!["coupons", "list"]] {
            let ended = run(&arguments, &settings).await;
            assert!(ended.one_line(2).contains("OPENRUN_ADMIN_TOKEN"), "{token:?}: {ended:#?}");
            assert!(!ended.stderr.contains("correct-horse"), "{ended:#?}");
        }
    }
}

#[tokio::test]
async fn the_error_of_a_node_without_the_api_names_the_role() {
    let stack = crate::support::node::Stack::shared().await;
    let worker = crate::support::node::NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "persister");
    let worker = worker.start().await;
    for arguments in [vec!["list"], vec!["show", "x"], vec!["create", "x", "--total", "1"]] {
        let line = coupons(&worker.url(""), &arguments).await.one_line(1);
        for part in ["no_such_route", "role api", "OPENRUN_SERVER"] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
