//! Tests of the rules: each rule must report a planted violation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::compose::{known_settings, parse, read};
use crate::rules::{is_pinned, violations};

#[track_caller]
fn assert_violation(known: &BTreeSet<String>, sentence: &str, plant: impl Fn(&mut Value)) {
    let mut compose = parse(&read("docker-compose.yml"));
    plant(&mut compose["services"]);
    let found = violations(&compose, known);
    assert_eq!(found, [sentence], "planted: {sentence}");
}

#[test]
fn each_rule_reports_its_violation() {
    let known = known_settings();
    let known = &known;
    assert_violation(known, "redis: the image 'redis:latest' is not pinned", |s| {
        s["redis"]["image"] = json!("redis:latest");
    });
    assert_violation(known, "app: the image 'openrun' is not pinned", |s| {
        s["app"]["image"] = json!("openrun");
    });
    assert_violation(known, "postgres: it has no mem_limit", |s| s["postgres"]["mem_limit"] = Value::Null);
    assert_violation(known, "jaeger: its health check has no test", |s| {
        s["jaeger"]["healthcheck"]["test"] = Value::Null;
    });
    assert_violation(known, "grafana: Docker does not restart it", |s| {
        s["grafana"]["restart"] = json!("always-ish");
    });
    assert_violation(known, "migrate: it ends by itself, but its image's health check is on", |s| {
        s["migrate"]["healthcheck"] = json!({});
    });
    assert_violation(known, "rabbitmq: the port 15672:15672 is open beyond loopback", |s| {
        s["rabbitmq"]["ports"] = json!(["15672:15672"]);
    });
    assert_violation(known, "app: it must wait for redis until service_healthy", |s| {
        s["app"]["depends_on"]["redis"]["condition"] = json!("service_started");
    });
    assert_violation(known, "collector: it waits for tempo, which does not exist", |s| {
        s["collector"]["depends_on"]["tempo"] = json!({ "condition": "service_healthy" });
    });
    assert_violation(known, "persister: OPENRUN_ROLE is no setting", |s| {
        s["persister"]["environment"]["OPENRUN_ROLE"] = json!("api");
    });
    assert_violation(known, "gateway: GATEWAY_RATE is no setting", |s| {
        s["gateway"]["environment"]["GATEWAY_RATE"] = json!("1r/s");
    });
    assert_violation(known, "app: its root is writable", |s| s["app"]["read_only"] = json!(false));
    assert_violation(known, "gateway: it has capabilities", |s| {
        s["gateway"]["cap_drop"] = json!(["NET_RAW"]);
    });
    assert_violation(known, "redis: it may gain privileges", |s| s["redis"]["security_opt"] = json!([]));
    assert_violation(known, "postgres: it is privileged", |s| s["postgres"]["privileged"] = json!(true));
    assert_violation(known, "gateway: it may write to ./deploy/gateway", |s| {
        s["gateway"]["volumes"] = json!(["./deploy/gateway:/gateway"]);
    });
    assert_violation(known, "redis: the volume redis is not declared", |s| {
        s["redis"]["volumes"] = json!(["redis:/data"]);
    });
}

#[test]
fn an_image_is_pinned_by_a_version() {
    for pinned in ["redis:7.4.6-bookworm", "prom/prometheus:v3.5.0", "debian:12.12-slim"] {
        assert!(is_pinned(pinned), "{pinned}");
    }
    for loose in ["redis", "redis:latest", "redis:7", "debian:bookworm-slim"] {
        assert!(!is_pinned(loose), "{loose}");
    }
}
