//! An outage of RabbitMQ or PostgreSQL while members are served: they do not notice, and every issuance arrives
//! afterwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openrun_load::IssuedAnswer;
use sqlx::{Connection, PgConnection};

use crate::arrange::{messages, outbox_depth, start_on_fixed_port, until_trimmed};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, assert_promise_kept, assert_rows, count_holders, issued, postgres_rows, until_issued,
    until_persisted,
};
use crate::support::services::{PrivatePostgres, PrivateRabbitMq};
use crate::support::shared::{Database, amqp_url, coupon_id, own_redis_url};

/// Above the number of all requests.
const TOTAL: u32 = 1_000_000;
/// Members of the race in which the service is killed.
const MEMBERS: u64 = 1_500;
const CLIENTS: usize = 64;
/// Members of each small race during the outage.
const MEMBERS_OF_A_ROUND: u64 = 100;
/// Between two small races.
const PAUSE: Duration = Duration::from_millis(250);

/// The length of an outage: a few seconds, or `OPENRUN_TEST_OUTAGE_SECONDS`.
fn outage() -> Duration {
    let seconds = std::env::var("OPENRUN_TEST_OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(4, |text| text.parse().expect("it is a number of seconds")))
}

/// Runs a race with `kill` in the middle, then small races until the end of the outage. No member may notice it. Gives
/// the members' answers.
async fn serve_through(node: SocketAddr, coupon: &str, kill: impl FnOnce()) -> Vec<IssuedAnswer> {
    races::create_coupon(node, coupon, TOTAL).await;
    let racing = races::spawn(races::config(node, coupon, MEMBERS, CLIENTS));
    until_issued(node, coupon, u32::try_from(MEMBERS / 3).expect("it is small")).await;
    kill();
    let started = Instant::now();
    let mut reports = vec![racing.await.expect("the race does not panic")];
    while started.elapsed() < outage() {
        let mut config = races::config(node, coupon, MEMBERS_OF_A_ROUND, CLIENTS);
        config.member_prefix = format!("round-{}-", reports.len());
        reports.push(races::run(config).await);
        tokio::time::sleep(PAUSE).await;
    }
    for report in &reports {
        assert_promise_kept(report, TOTAL);
        let noticed = (report.shed, report.unknown, report.sold_out);
        assert_eq!(noticed, (0, 0, 0), "members noticed: {}", races::figures(report));
    }
    eprintln!("{} races in an outage of {:?}", reports.len(), started.elapsed());
    reports.into_iter().flat_map(|report| report.issued_answers).collect()
}

/// RabbitMQ 3.10 stores the list of its queues only every few minutes and on an orderly stop. A quorum queue declared
/// shortly before a kill has no leader after the restart, and can only be deleted then.
async fn store_queue_list(rabbitmq: &mut PrivateRabbitMq) {
    rabbitmq.stop().await;
    rabbitmq.restart().await;
}

/// Waits until every answer is in the database and the outbox is empty; then there must be no dead letter.
async fn assert_all_delivered(stack: &Stack, node: SocketAddr, coupon: &str, answers: &[IssuedAnswer]) {
    let issued = issued(node, coupon).await.expect("the node answers");
    assert_eq!(issued as usize, count_holders(answers), "every holder got an answer");
    assert_rows(&until_persisted(&stack.database_url, coupon, issued).await, answers, issued);
    until_trimmed(&stack.redis_url, coupon).await;
    let dead_letters = format!("{}.dead-letters", stack.amqp_namespace);
    assert_eq!(messages(&stack.amqp_url, &dead_letters).await, 0, "an outage uses up no delivery attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_served_while_rabbitmq_is_away_and_assert_all_delivered() {
    let (mut rabbitmq, database) = tokio::join!(PrivateRabbitMq::start(), Database::create());
    let stack = Stack::private(&own_redis_url().await, &rabbitmq.url(), database.url());
    let (node, coupon) = (NodeProcess::redis_lua(&stack).start().await, coupon_id());
    store_queue_list(&mut rabbitmq).await;
    let answers = serve_through(node.address(), &coupon, || rabbitmq.kill()).await;
    rabbitmq.restart().await;
    assert_all_delivered(&stack, node.address(), &coupon, &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_served_while_postgresql_is_away_and_assert_all_delivered() {
    let mut postgres = PrivatePostgres::start().await;
    let stack = Stack::private(&own_redis_url().await, &amqp_url(), &postgres.url());
    let (node, coupon) = (NodeProcess::redis_lua(&stack).start().await, coupon_id());
    let answers = serve_through(node.address(), &coupon, || postgres.kill()).await;
    let kept = outbox_depth(&stack.redis_url, &coupon).await;
    postgres.restart().await;
    // The broker has confirmed every event, but only a row may trim the outbox.
    assert!(
        kept >= count_holders(&answers) / 2,
        "the outbox held {kept} of {} without a database",
        count_holders(&answers)
    );
    assert_all_delivered(&stack, node.address(), &coupon, &answers).await;
    races::until("the end of the outage in the log", async || {
        let count = |words: &str| node.log().matches(words).count();
        let (starts, ends) = (count("the database does not answer"), count("the database answers again"));
        (starts > 0 && starts == ends).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_while_rabbitmq_is_away_leaves_everything_in_the_outbox() {
    let (mut rabbitmq, database) = tokio::join!(PrivateRabbitMq::start(), Database::create());
    let stack: Arc<Stack> = Stack::private(&own_redis_url().await, &rabbitmq.url(), database.url());
    let (mut node, coupon) = (start_on_fixed_port(NodeProcess::redis_lua(&stack)).await, coupon_id());
    races::create_coupon(node.address(), &coupon, TOTAL).await;
    store_queue_list(&mut rabbitmq).await;
    rabbitmq.kill();
    let report = races::run(races::config(node.address(), &coupon, MEMBERS, CLIENTS)).await;
    assert_promise_kept(&report, TOTAL);
    node.kill();
    assert!(postgres_rows(&stack.database_url, &coupon).await.is_empty(), "there was no way to the database");
    assert_eq!(outbox_depth(&stack.redis_url, &coupon).await, count_holders(&report.issued_answers));
    rabbitmq.restart().await;
    node.restart().await;
    assert_all_delivered(&stack, node.address(), &coupon, &report.issued_answers).await;
}

/// A pause needs only the engine, and the gate keeper writes it into the catalogue later.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_acts_while_postgresql_is_away_and_gets_there_in_the_end() {
    let mut postgres = PrivatePostgres::start().await;
    let stack = Stack::private(&own_redis_url().await, &amqp_url(), &postgres.url());
    let node = NodeProcess::redis_lua(&stack).start().await;
    let coupon = coupon_id();
    races::create_coupon(node.address(), &coupon, TOTAL).await;
    postgres.stop().await;
    let pause = format!("http://{}/v1/coupons/{coupon}/pause", node.address());
    let answer = races::http().post(pause).send().await.expect("an answer");
    assert_eq!(answer.status(), 503, "the catalogue does not have the pause yet");
    let (status, problem) = races::ask(node.address(), &coupon, "kim").await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("paused")), "{problem}");
    postgres.restart().await;
    races::until("a paused catalogue", async || {
        let mut connection = PgConnection::connect(&postgres.url()).await.ok()?;
        let lifecycle: String = sqlx::query_scalar("SELECT lifecycle FROM coupons WHERE id = $1")
            .bind(&coupon)
            .fetch_one(&mut connection)
            .await
            .ok()?;
        (lifecycle == "paused").then_some(())
    })
    .await;
}
