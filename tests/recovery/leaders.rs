//! A node that cannot do its part in a recovery: the others go on without it, and it does not forget its own issuances.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::redis_lost::flush;
use crate::support::node::{NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::races::{self, request_coupon, until, until_persisted};
use crate::support::services::PrivateRedis;
use crate::support::shared::amqp_url;

/// A proxy in front of the service at `url`, and the URL through it.
async fn proxy_of(url: &str) -> (Proxy, Url) {
    let mut url = Url::parse(url).expect("it is a URL");
    let proxy = Proxy::start(url.port().expect("it has a port")).await;
    url.set_port(Some(proxy.port())).expect("it has a port");
    (proxy, url)
}

async fn database(stack: &Stack) -> PgConnection {
    PgConnection::connect(&stack.database_url).await.expect("PostgreSQL answers")
}

async fn execute(stack: &Stack, statement: String) {
    database(stack).await.execute(AssertSqlSafe(statement)).await.expect("the statement is good");
}

async fn until_true(stack: &Stack, what: &str, query: &str) {
    let mut database = database(stack).await;
    until(what, async || {
        let answer: sqlx::Result<bool> =
            sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut database).await;
        answer.expect("it is a query for a boolean").then_some(())
    })
    .await;
}

async fn until_holds(node: &NodeProcess, member: &str, sequence: u32) {
    until(&format!("{member} to get sequence {sequence}"), async || {
        let (status, body) = request_coupon(node.address(), "drop", member).await;
        assert!(matches!(status, 200 | 201 | 404 | 503), "{status} {body}");
        (body["sequence"] == sequence).then_some(())
    })
    .await;
}

/// Waits until both nodes know the present state of the recoveries.
async fn until_both_have_heard(stack: &Stack) {
    // The reply to the first of these heartbeats has arrived when the second one is sent.
    for _ in 0..2 {
        let now: String = sqlx::query_scalar("SELECT clock_timestamp()::text")
            .fetch_one(&mut database(stack).await)
            .await
            .expect("PostgreSQL has a clock");
        let all = format!("SELECT bool_and(seen_at > '{now}') FROM nodes");
        until_true(stack, "a heartbeat of both nodes", &all).await;
    }
}

/// The rebuild needs RabbitMQ, which only the later node reaches.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_rebuild_leaves_it_to_another_node() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let (rabbitmq, url) = proxy_of(&amqp_url()).await;
    let cut_off = NodeProcess::redis_lua(&stack).set("OPENRUN_AMQP_URL", url).start().await;
    races::create_coupon(cut_off.address(), "drop", 5).await;
    until_holds(&cut_off, "kim", 1).await;
    until_persisted(&stack.database_url, "drop", 1).await;
    rabbitmq.set(Mode::Cut).await;
    flush(&redis.url()).await;
    until("the leader to fail", async || cut_off.log().contains("nothing is issued").then_some(())).await;
    let able = NodeProcess::redis_lua(&stack).start().await;
    until_holds(&able, "kim", 1).await;
    assert!(able.log().contains("trusted again"), "the node without RabbitMQ led the rebuild");
}

/// A node hears of a recovery, cannot report, and counts as dead until the others have ended it.
#[tokio::test(flavor = "multi_thread")]
async fn issuances_of_a_node_whose_report_was_missed_are_written_down_all_the_same() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let user = format!("missed_{}", Uuid::new_v4().simple());
    execute(&stack, format!("CREATE ROLE {user} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"))
        .await;
    let (postgres, mut database_url) = proxy_of(&stack.database_url).await;
    database_url.set_username(&user).expect("it can have a user");
    let (rabbitmq, amqp_url) = proxy_of(&amqp_url()).await;
    let one = NodeProcess::redis_lua(&stack).start().await;
    let missed = NodeProcess::redis_lua(&stack)
        .set("OPENRUN_DATABASE_URL", database_url)
        .set("OPENRUN_AMQP_URL", amqp_url)
        .start()
        .await;
    races::create_coupon(one.address(), "drop", 5).await;
    until_holds(&one, "first", 1).await;
    until_persisted(&stack.database_url, "drop", 1).await;
    until_holds(&missed, "first", 1).await;

    // Only this node and Redis know of the second issuance, and this node can write nothing.
    rabbitmq.set(Mode::Cut).await;
    execute(&stack, format!("REVOKE INSERT ON coupon_issuances FROM {user}")).await;
    one.freeze();
    assert_eq!(request_coupon(missed.address(), "drop", "unlucky").await.1["sequence"], 2);
    flush(&redis.url()).await;
    one.thaw();
    until_true(&stack, "a recovery", "SELECT EXISTS (SELECT FROM coupon_recoveries WHERE is_open)").await;
    until_both_have_heard(&stack).await;
    postgres.set(Mode::Cut).await;
    until_holds(&one, "lucky", 2).await;

    // It hears that the recovery has ended before it can write again.
    postgres.set(Mode::Pass).await;
    until_both_have_heard(&stack).await;
    execute(&stack, format!("GRANT INSERT ON coupon_issuances TO {user}")).await;
    let held = "SELECT EXISTS (SELECT FROM issuance_conflicts WHERE member_id = 'unlucky' AND sequence = 2)";
    until_true(&stack, "the issuance in quarantine", held).await;
    until_holds(&missed, "lucky", 2).await;
}

/// Whether Redis is intact does not depend on its outbox being in the database.
#[tokio::test(flavor = "multi_thread")]
async fn an_intact_redis_is_accepted_before_its_outbox_is_carried_over() {
    let mut redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let (rabbitmq, url) = proxy_of(&amqp_url()).await;
    let mut node = NodeProcess::redis_lua(&stack).set("OPENRUN_AMQP_URL", url).start().await;
    races::create_coupon(node.address(), "drop", 50).await;
    rabbitmq.set(Mode::Cut).await;
    for sequence in 1..=20 {
        until_holds(&node, &format!("m{sequence}"), sequence).await;
    }
    // A node without memory of its own: it has nothing else to write.
    node.kill();
    redis.kill();
    redis.restart().await;
    let mut holder = database(&stack).await;
    holder.execute("BEGIN; LOCK TABLE coupon_issuances IN SHARE MODE").await.expect("it can be locked");
    let node = NodeProcess::redis_lua(&stack).start().await;
    until_holds(&node, "m7", 7).await;
    assert!(node.log().contains("verified"), "Redis was used without verification");
    holder.execute("COMMIT").await.expect("it ends");
    until_persisted(&stack.database_url, "drop", 20).await;
}
