//! Deliveries in flight: only the persister that holds them knows of them.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::arrange::{messages, start_on_fixed_port};
use crate::support::node::{NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::races::{self, ask, metric, postgres_rows, until, until_persisted};
use crate::support::services::PrivateRedis;

const TOTAL: u32 = 20;
const MEMBERS: u32 = 5;
const WAITS: &str = "may hold messages that are not in the database";

/// Blocks every insert until the connection is dropped.
async fn block_inserts(url: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL is there");
    let lock = "BEGIN; LOCK TABLE coupon_issuances IN SHARE MODE";
    connection.execute(AssertSqlSafe(lock.to_owned())).await.expect("the table can be locked");
    connection
}

/// The only node that knew the issuances is dead, Redis is wiped, and the queue is empty: only a blocked persister
/// still holds them. No other member may get their sequences.
#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_redis_is_rebuilt_only_after_the_deliveries_in_flight() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let proxy = Proxy::start(redis.port()).await;
    let worker = NodeProcess::redis_lua(&stack)
        .set("OPENRUN_ROLES", "persister")
        .set("OPENRUN_REDIS_URL", redis.url_through(proxy.port()));
    let issuer = NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "api").set("OPENRUN_ACK", "queued");
    let (worker, mut issuer) = tokio::join!(worker.start(), start_on_fixed_port(issuer));
    races::create_coupon(issuer.address(), "drop", TOTAL).await;
    until("a worker that knows the coupon", async || {
        (metric(worker.address(), "openrun_coupons_remaining", "drop").await > 0.5).then_some(())
    })
    .await;

    // From now on the worker cannot see the issuances in Redis.
    proxy.set(Mode::Hold).await;
    let lock = block_inserts(&stack.database_url).await;
    let mut answers = Vec::new();
    for member in (1..=MEMBERS).map(|member| format!("m{member}")) {
        let (status, body) = ask(issuer.address(), "drop", &member).await;
        assert_eq!(status, 201, "{body}");
        answers.push((member, body["sequence"].clone(), body["code"].clone()));
    }
    let queue = format!("{}.issuances", stack.amqp_namespace);
    until("an empty queue", async || (messages(&stack.amqp_url, &queue).await == 0).then_some(())).await;
    issuer.kill();
    redis::cmd("FLUSHALL").exec(&mut plain(&redis.url())).expect("Redis answers");
    proxy.set(Mode::Pass).await;

    // The log names the missing condition every five seconds: twice is long after the queue was empty.
    let log = until("a recovery that waits, or has not waited", async || {
        let log = worker.log();
        (log.matches(WAITS).count() >= 2 || log.contains("trusted again")).then_some(log)
    })
    .await;
    assert!(!log.contains("trusted again"), "Redis was rebuilt while deliveries were in flight");
    assert!(postgres_rows(&stack.database_url, "drop").await.is_empty(), "inserts are blocked");

    drop(lock);
    until_persisted(&stack.database_url, "drop", MEMBERS).await;
    issuer.restart().await;
    for (member, sequence, code) in answers {
        let again = until("the same coupon", async || {
            let (status, body) = ask(issuer.address(), "drop", &member).await;
            assert!(matches!(status, 200 | 503), "{member}: {status} {body}");
            (status == 200).then_some(body)
        })
        .await;
        assert_eq!((&again["sequence"], &again["code"]), (&sequence, &code), "{member}");
    }
    assert_eq!(ask(issuer.address(), "drop", "later").await.1["sequence"], MEMBERS + 1);
}

fn plain(url: &str) -> redis::Connection {
    let client = redis::Client::open(url).expect("the URL is good");
    client.get_connection().expect("Redis answers")
}
