//! Rules that nothing can break would be worth nothing: each is broken here once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::compose::{known_settings, parse, read};
use crate::rules::{broken, is_pinned};

#[track_caller]
fn told(known: &BTreeSet<String>, sentence: &str, plant: impl Fn(&mut Value)) {
    let mut compose = parse(&read("docker-compose.yml"));
    plant(&mut compose["services"]);
    let found = broken(&compose, known);
    assert_eq!(found, [sentence], "planted: {sentence}");
}

#[test]
fn each_rule_is_broken_once() {
    let known = known_settings();
    let known = &known;
    told(known, "redis: the image 'redis:latest' is not pinned", |s| {
        s["redis"]["image"] = json!("redis:latest");
    });
    told(known, "app: the image 'openrun' is not pinned", |s| s["app"]["image"] = json!("openrun"));
    told(known, "postgres: it has no mem_limit", |s| s["postgres"]["mem_limit"] = Value::Null);
    told(known, "jaeger: its health check has no test", |s| s["jaeger"]["healthcheck"]["test"] = Value::Null);
    told(known, "grafana: nobody starts it again", |s| s["grafana"]["restart"] = json!("always-ish"));
    told(known, "migrate: it ends by itself, but its image's health check is on", |s| {
        s["migrate"]["healthcheck"] = json!({});
    });
    told(known, "rabbitmq: the port 15672:15672 is open to everybody", |s| {
        s["rabbitmq"]["ports"] = json!(["15672:15672"]);
    });
    told(known, "app: it must wait for redis until service_healthy", |s| {
        s["app"]["depends_on"]["redis"]["condition"] = json!("service_started");
    });
    told(known, "collector: it waits for tempo, which there is not", |s| {
        s["collector"]["depends_on"]["tempo"] = json!({ "condition": "service_healthy" });
    });
    told(known, "persister: nobody reads OPENRUN_ROLE", |s| {
        s["persister"]["environment"]["OPENRUN_ROLE"] = json!("api");
    });
    told(known, "gateway: nobody reads GATEWAY_RATE", |s| {
        s["gateway"]["environment"]["GATEWAY_RATE"] = json!("1r/s");
    });
    told(known, "app: its root can be written to", |s| s["app"]["read_only"] = json!(false));
    told(known, "gateway: it has capabilities", |s| s["gateway"]["cap_drop"] = json!(["NET_RAW"]));
    told(known, "redis: it may gain privileges", |s| s["redis"]["security_opt"] = json!([]));
    told(known, "postgres: it is privileged", |s| s["postgres"]["privileged"] = json!(true));
    told(known, "gateway: it may write to ./deploy/gateway", |s| {
        s["gateway"]["volumes"] = json!(["./deploy/gateway:/gateway"]);
    });
    told(known, "redis: the volume redis is not declared", |s| {
        s["redis"]["volumes"] = json!(["redis:/data"]);
    });
}

#[test]
fn a_version_is_what_pins() {
    for pinned in ["redis:7.4.6-bookworm", "prom/prometheus:v3.5.0", "debian:12.12-slim"] {
        assert!(is_pinned(pinned), "{pinned}");
    }
    for loose in ["redis", "redis:latest", "redis:7", "debian:bookworm-slim"] {
        assert!(!is_pinned(loose), "{loose}");
    }
}
