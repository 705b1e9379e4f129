//! What has left the queue and is no row yet is known to nobody but the persister that has it in hand.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::arrange::{messages, start_at_home};
use crate::support::node::{NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::races::{self, ask, metric, postgres_rows, until, until_persisted};
use crate::support::services::PrivateRedis;

const TOTAL: u32 = 20;
const MEMBERS: u32 = 5;
const WAITS: &str = "may hold messages that are not in the database";

/// Keeps every row out until it is dropped.
async fn keep_rows_out(url: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL is there");
    let lock = "BEGIN; LOCK TABLE coupon_issuances IN SHARE MODE";
    connection.execute(AssertSqlSafe(lock.to_owned())).await.expect("the table can be locked");
    connection
}

/// The only node that knew them is dead, Redis is wiped, and the queue is empty: they are in a persister's hands, which
/// are held up. Nobody else may be given their sequences.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_persisters_hands_is_waited_for_before_a_wiped_redis_is_rebuilt() {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let proxy = Proxy::start(redis.port()).await;
    let worker = NodeProcess::redis_lua(&stack)
        .set("OPENRUN_ROLES", "persister")
        .set("OPENRUN_REDIS_URL", redis.url_through(proxy.port()));
    let issuer = NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "api").set("OPENRUN_ACK", "queued");
    let (worker, mut issuer) = tokio::join!(worker.start(), start_at_home(issuer));
    races::create_coupon(issuer.address(), "drop", TOTAL).await;
    until("a worker that knows the coupon", async || {
        (metric(worker.address(), "openrun_coupons_remaining", "drop").await > 0.5).then_some(())
    })
    .await;

    // From now on the worker sees nothing of what is issued.
    proxy.set(Mode::Hold).await;
    let lock = keep_rows_out(&stack.database_url).await;
    let mut told = Vec::new();
    for member in (1..=MEMBERS).map(|member| format!("m{member}")) {
        let (status, body) = ask(issuer.address(), "drop", &member).await;
        assert_eq!(status, 201, "{body}");
        told.push((member, body["sequence"].clone(), body["code"].clone()));
    }
    let queue = format!("{}.issuances", stack.amqp_namespace);
    until("an empty queue", async || (messages(&stack.amqp_url, &queue).await == 0).then_some(())).await;
    issuer.kill();
    redis::cmd("FLUSHALL").exec(&mut plain(&redis.url())).expect("it is ours");
    proxy.set(Mode::Pass).await;

    // It is told every five seconds what a recovery waits for: twice is long after the queue was seen empty.
    let log = until("a recovery that waits, or has not waited", async || {
        let log = worker.log();
        (log.matches(WAITS).count() >= 2 || log.contains("trusted again")).then_some(log)
    })
    .await;
    assert!(!log.contains("trusted again"), "it was rebuilt from nothing while the rows were in hand");
    assert!(postgres_rows(&stack.database_url, "drop").await.is_empty(), "they are kept out");

    drop(lock);
    until_persisted(&stack.database_url, "drop", MEMBERS).await;
    issuer.restart().await;
    for (member, sequence, code) in told {
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
