//! Nodes with a part of the roles each, and a node that dies or never starts.

use std::sync::Arc;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use serde_json::Value;

use crate::arrange::{channel, outbox_depth, start_on_fixed_port, until_trimmed};
use crate::support::node::{NodeBuilder, NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::races::{
    self, ask, assert_promise_kept, assert_rows, count_holders, http, postgres_rows, until, until_issued,
    until_persisted,
};
use crate::support::shared::coupon_id;

const MEMBERS: u64 = 2 * TOTAL as u64;
const TOTAL: u32 = 1_000;
const CLIENTS: usize = 64;

fn node(stack: &Arc<Stack>, roles: &str) -> NodeBuilder {
    NodeProcess::redis_lua(stack).set("OPENRUN_ROLES", roles)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_for_each_role_and_everything_arrives() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let (api, publisher, persister, _reconciler) = tokio::join!(
        node(&stack, "api").start(),
        node(&stack, "publisher").start(),
        node(&stack, "persister").start(),
        node(&stack, "reconciler").start(),
    );
    races::create_coupon(api.address(), &coupon, TOTAL).await;
    let report = races::run(races::config(api.address(), &coupon, MEMBERS, CLIENTS)).await;
    assert_promise_kept(&report, TOTAL);
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);
    until_trimmed(&stack.redis_url, &coupon).await;
    let persisted = races::metric(persister.address(), "openrun_persisted_total", "").await;
    assert!(persisted > 0.5, "only the persister writes");
    assert!(races::metric(publisher.address(), "openrun_persisted_total", "").await < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuances_of_a_killed_api_node_are_delivered_by_the_others() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let _worker = node(&stack, "publisher,persister").start().await;
    let mut api = start_on_fixed_port(node(&stack, "api")).await;
    races::create_coupon(api.address(), &coupon, TOTAL).await;
    let racing = races::spawn(races::config(api.address(), &coupon, MEMBERS, CLIENTS));
    let issued = until_issued(api.address(), &coupon, TOTAL / 3).await;
    api.kill();
    // The node is down meanwhile.
    until_persisted(&stack.database_url, &coupon, issued).await;
    until_trimmed(&stack.redis_url, &coupon).await;
    api.restart().await;
    let report = racing.await.expect("the race does not panic");
    assert_promise_kept(&report, TOTAL);
    assert_eq!(count_holders(&report.issued_answers), TOTAL as usize, "every coupon has a holder");
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn issuances_that_a_dead_api_node_never_published_are_published_by_another() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let mut amqp = url::Url::parse(&stack.amqp_url).expect("a URL");
    let proxy = Proxy::start(amqp.port().expect("it has a port")).await;
    amqp.set_port(Some(proxy.port())).expect("it can have a port");
    let mut api = node(&stack, "api").set("OPENRUN_AMQP_URL", amqp.as_str()).start().await;
    races::create_coupon(api.address(), &coupon, 20).await;
    proxy.set(Mode::Hold).await;
    for number in 1..=20 {
        assert_eq!(
            ask(api.address(), &coupon, &format!("m{number}")).await.0,
            201,
            "issuing needs no broker"
        );
    }
    api.kill();
    assert_eq!(outbox_depth(&stack.redis_url, &coupon).await, 20);
    assert!(postgres_rows(&stack.database_url, &coupon).await.is_empty());
    let _worker = node(&stack, "publisher,persister").start().await;
    until_persisted(&stack.database_url, &coupon, 20).await;
    until_trimmed(&stack.redis_url, &coupon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_alone_fills_the_outbox_and_logs_a_warning() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let api = node(&stack, "api").start().await;
    let log = api.log();
    assert!(log.contains("only if other nodes have them") && log.contains("publisher,persister"), "{log}");
    races::create_coupon(api.address(), &coupon, TOTAL).await;
    let report = races::run(races::config(api.address(), &coupon, MEMBERS, CLIENTS)).await;
    assert_promise_kept(&report, TOTAL);
    assert_eq!(outbox_depth(&stack.redis_url, &coupon).await, TOTAL as usize);
    assert!(postgres_rows(&stack.database_url, &coupon).await.is_empty(), "there is no persister");
    let worker = node(&stack, "publisher,persister").start().await;
    assert!(!worker.log().contains("only if other nodes have them"), "the worker issues nothing");
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);
    until_trimmed(&stack.redis_url, &coupon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_api_answers_only_probes_and_operators() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let worker = node(&stack, "persister").start().await;
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/v1/coupons", 404),
        ("/v1/coupons/some", 404),
        ("/openapi.json", 404),
        ("/docs/", 404),
    ] {
        let answer = http().get(worker.url(path)).send().await.expect("it answers");
        assert_eq!(answer.status(), status, "{path}");
    }
    let (status, problem) = ask(worker.address(), &coupon, "kim").await;
    assert_eq!((status, &problem["code"]), (404, &"no_such_route".into()));
    let admin = http().post(worker.url("/v1/admin/reconcile")).send().await.expect("it answers");
    assert_eq!(admin.status(), 200);
    assert!(admin.json::<Value>().await.expect("JSON")["coupons"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_number_of_persisters_runs_and_none_without_the_role() {
    let stack = Stack::shared().await;
    let consumers = async || {
        let (connection, channel) = channel(&stack.amqp_url).await;
        let (options, name) = (QueueDeclareOptions::default(), format!("{}.issuances", stack.amqp_namespace));
        let options = QueueDeclareOptions { passive: true, ..options };
        let queue = channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await;
        let count = queue.expect("the queue is there").consumer_count();
        connection.close(200, "done".into()).await.ok();
        count
    };
    let _api = node(&stack, "api,publisher").set("OPENRUN_PERSISTERS", "7").start().await;
    let mut worker = node(&stack, "persister").set("OPENRUN_PERSISTERS", "5").start().await;
    until("five persisters", async || (consumers().await == 5).then_some(())).await;
    worker.kill();
    until("no persister but these", async || (consumers().await == 0).then_some(())).await;
}
