//! A running node exports every metric that rules and dashboards query.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::files::{dashboards, metrics_named, rules};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{ask, create_coupon, http, metric, until, until_persisted};
use crate::support::shared::coupon_id;

/// A node on the full stack after an issuance and a comparison, its coupon, and its metrics.
async fn scrape() -> (NodeProcess, String, String) {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let coupon = coupon_id();
    create_coupon(node.address(), &coupon, 3).await;
    assert_eq!(ask(node.address(), &coupon, "kim").await.0, 201);
    until_persisted(&stack.database_url, &coupon, 1).await;
    // A comparison fails while issuances are in flight.
    until("a complete comparison", async || {
        let compared = http().post(node.url("/v1/admin/reconcile")).send().await.ok()?;
        (compared.status() == 200).then_some(())
    })
    .await;
    until("a complete sample", async || {
        let label = format!("coupon=\"{coupon}\"");
        let issued = metric(node.address(), "openrun_coupons_issued", &label).await > 0.5;
        let services = metric(node.address(), "openrun_service_up", "").await > 2.5;
        let text = text(node.address()).await;
        let outbox = text.contains(&format!("openrun_outbox_age_seconds{{{label}}}"));
        (issued && services && outbox && text.contains("openrun_queue_messages 0")).then_some(())
    })
    .await;
    let text = text(node.address()).await;
    (node, coupon, text)
}

async fn text(node: SocketAddr) -> String {
    let answer = http().get(format!("http://{node}/metrics")).send().await.expect("the node answers");
    answer.text().await.expect("metrics are text")
}

/// The exported metrics with their types.
fn types(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// Whether a query can use `name`.
fn is_exported(name: &str, types: &BTreeMap<&str, &str>) -> bool {
    let part = |suffix| name.strip_suffix(suffix).and_then(|whole| types.get(whole));
    types.get(name).is_some_and(|kind| *kind != "histogram")
        || ["_bucket", "_sum", "_count"].into_iter().any(|suffix| part(suffix) == Some(&"histogram"))
}

#[tokio::test]
async fn a_running_node_exports_every_queried_metric() {
    let (_node, coupon, text) = scrape().await;
    let types = types(&text);
    for (path, file) in rules().into_iter().chain(dashboards()) {
        let names = metrics_named(&file);
        assert!(!names.is_empty(), "{} queries nothing", path.display());
        for name in names {
            assert!(is_exported(&name, &types), "{} queries {name}, which is not exported", path.display());
        }
    }
    for line in [
        format!("openrun_coupons_stock{{coupon=\"{coupon}\"}} 3"),
        format!("openrun_coupons_remaining{{coupon=\"{coupon}\"}} 2"),
        format!("openrun_gate_state{{coupon=\"{coupon}\",state=\"open\"}} 1"),
        "openrun_dead_letters 0".to_owned(),
        "openrun_database_connections{pool=\"work\",state=\"max\"} 4".to_owned(),
        "openrun_mailbox_depth{kind=\"publisher\"} 0".to_owned(),
        "openrun_actor_restarts_total{kind=\"persister\"} 0".to_owned(),
        "openrun_actors{kind=\"persister\"} 2".to_owned(),
        "openrun_recoveries_total{how=\"rebuilt\"} 0".to_owned(),
        "openrun_drift{kind=\"missing\"} 0".to_owned(),
        "openrun_persist_lag_seconds_count 1".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    for service in ["redis", "rabbitmq", "postgresql"] {
        assert!(
            text.contains(&format!("openrun_service_up{{service=\"{service}\"}} 1")),
            "{service}: {text}"
        );
    }
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let (_node, _coupon, text) = scrape().await;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("promtool starts; ./scripts/test installs it");
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{text}");
}

/// A panel without a query, or with another data source, would stay empty.
#[test]
fn every_panel_of_every_dashboard_queries_prometheus() {
    for (path, text) in dashboards() {
        let dashboard: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert_eq!(dashboard["uid"], format!("openrun-{file}"), "{}", path.display());
        let panels = dashboard["panels"].as_array().expect("there are panels");
        for panel in panels.iter().filter(|panel| panel["type"] != "row" && panel["type"] != "alertlist") {
            let title = &panel["title"];
            assert_eq!(panel["datasource"]["uid"], "prometheus", "{title} in {}", path.display());
            let queries = panel["targets"].as_array().expect("there are queries");
            assert!(!queries.is_empty(), "{title} has no query");
            for query in queries {
                let expression = query["expr"].as_str().unwrap_or_default();
                assert!(!metrics_named(expression).is_empty(), "{title}: {expression}");
            }
            assert!(
                panel["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{title} has no description"
            );
        }
    }
}
