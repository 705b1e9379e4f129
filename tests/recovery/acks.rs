//! A reported `ack` level is true at that moment. If it is not reached in time, the answer is `ack_pending`, and the
//! member holds the coupon all the same.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::{JoinHandle, JoinSet};

use crate::support::node::{NodeBuilder, NodeProcess, Stack};
use crate::support::races::{self, create_coupon, http, metric, postgres_rows, until};
use crate::support::services::{PrivatePostgres, PrivateRabbitMq};
use crate::support::shared::{Database, amqp_url, coupon_id, own_redis_url};

const TOTAL: u32 = 10_000;
/// The request timeouts of a node that gives up soon, and of one that still waits when the test ends.
const SHORT_MS: &str = "1500";
const LONG_MS: &str = "60000";
/// Above the request timeout of every node.
const ANSWER_BOUND: Duration = Duration::from_secs(80);

#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn assert_ack(&self, status: u16, level: &str) {
        assert_eq!((self.status, self.body["ack"].as_str()), (status, Some(level)), "{}", self.body);
    }

    #[track_caller]
    fn assert_pending(&self) {
        assert_eq!((self.status, self.body["code"].as_str()), (503, Some("ack_pending")), "{}", self.body);
        let detail = self.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("issued") && detail.contains("trying again"), "{detail}");
    }
}

async fn prefer(node: SocketAddr, coupon: &str, member: &str, level: &str) -> Answer {
    let call = http().post(format!("http://{node}/v1/coupons/{coupon}/issuances")).timeout(ANSWER_BOUND);
    let call = call.header("Prefer", format!("ack={level}")).json(&json!({ "member_id": member }));
    let answer = call.send().await.expect("an answer");
    assert_eq!(answer.headers().contains_key("retry-after"), answer.status() == 503);
    Answer { status: answer.status().as_u16(), body: answer.json().await.unwrap_or_default() }
}

async fn look_up(node: SocketAddr, coupon: &str, member: &str, level: &str) -> Answer {
    let call = http().get(format!("http://{node}/v1/coupons/{coupon}/issuances/{member}"));
    let answer = call.timeout(ANSWER_BOUND).header("Prefer", format!("ack={level}")).send().await;
    let answer = answer.expect("an answer");
    Answer { status: answer.status().as_u16(), body: answer.json().await.unwrap_or_default() }
}

/// Requests again after each 503, as a client does, until the level is reached; panics on any other answer.
async fn prefer_until(node: SocketAddr, coupon: &str, member: &str, level: &str) -> Answer {
    until(&format!("{level} for {member}"), async || {
        let answer = prefer(node, coupon, member, level).await;
        if answer.status == 503 {
            return None;
        }
        assert_eq!(answer.body["ack"], level, "{}", answer.body);
        Some(answer)
    })
    .await
}

fn spawn_prefer(node: SocketAddr, coupon: &str, member: &str, level: &'static str) -> JoinHandle<Answer> {
    let (coupon, member) = (coupon.to_owned(), member.to_owned());
    tokio::spawn(async move { prefer(node, &coupon, &member, level).await })
}

async fn until_waiting(node: SocketAddr, count: f64) {
    until(&format!("{count} waiting members"), async || {
        let waiting = metric(node, "openrun_ack_waiting_members", "").await;
        (waiting >= count).then_some(())
    })
    .await;
}

fn without_persister(stack: &std::sync::Arc<Stack>, timeout_ms: &str) -> NodeBuilder {
    let node = NodeProcess::redis_lua(stack).set("OPENRUN_ROLES", "api,publisher");
    node.set("OPENRUN_REQUEST_TIMEOUT_MS", timeout_ms)
}

async fn execute(database_url: &str, statement: String) {
    let mut connection = PgConnection::connect(database_url).await.expect("PostgreSQL is there");
    connection.execute(AssertSqlSafe(statement)).await.expect("the statement is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn persisted_is_never_reported_before_the_row_is_there() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let (mut short_timeout, long_timeout) =
        tokio::join!(without_persister(&stack, SHORT_MS).start(), without_persister(&stack, LONG_MS).start());
    create_coupon(short_timeout.address(), &coupon, TOTAL).await;
    // Without a persister the broker has the events, and `queued` is the highest level.
    let waits = spawn_prefer(long_timeout.address(), &coupon, "waits", "persisted");
    until_waiting(long_timeout.address(), 1.0).await;
    prefer(short_timeout.address(), &coupon, "kim", "persisted").await.assert_pending();
    prefer(short_timeout.address(), &coupon, "kim", "persisted").await.assert_pending();
    prefer_until(short_timeout.address(), &coupon, "kim", "queued").await.assert_ack(200, "queued");
    prefer(short_timeout.address(), &coupon, "kim", "granted").await.assert_ack(200, "granted");
    look_up(short_timeout.address(), &coupon, "kim", "granted").await.assert_ack(200, "granted");
    look_up(short_timeout.address(), &coupon, "kim", "persisted").await.assert_pending();
    prefer(long_timeout.address(), &coupon, "lee", "queued").await.assert_ack(201, "queued");
    prefer(long_timeout.address(), &coupon, "max", "granted").await.assert_ack(201, "granted");
    assert_eq!(postgres_rows(&stack.database_url, &coupon).await, []);
    assert!(!waits.is_finished(), "the answer came before the row");
    let issued = races::until_issued(short_timeout.address(), &coupon, 4).await;
    assert_eq!(issued, 4, "requesting again issues nothing");

    let _persister = NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "persister").start().await;
    let answer = waits.await.expect("it does not panic");
    // Read after the answer, which must be true by now.
    let rows = postgres_rows(&stack.database_url, &coupon).await;
    answer.assert_ack(201, "persisted");
    assert!(rows.iter().any(|row| row.1 == "waits"), "{rows:?}");
    prefer_until(short_timeout.address(), &coupon, "kim", "persisted").await.assert_ack(200, "persisted");
    look_up(short_timeout.address(), &coupon, "kim", "persisted").await.assert_ack(200, "persisted");
    // A node that has forgotten the confirms asks the database.
    short_timeout.restart().await;
    prefer_until(short_timeout.address(), &coupon, "kim", "queued").await.assert_ack(200, "queued");
}

/// Members of a node with persisters, and of a node without.
#[tokio::test(flavor = "multi_thread")]
async fn each_member_of_a_crowd_finds_the_row_at_once_after_persisted() {
    const MEMBERS: u32 = 300;
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let (writes, asks) = tokio::join!(
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", LONG_MS).start(),
        without_persister(&stack, LONG_MS).start()
    );
    create_coupon(writes.address(), &coupon, TOTAL).await;
    // The first answer shows that this node knows the coupon too.
    prefer(asks.address(), &coupon, "first", "granted").await.assert_ack(201, "granted");
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(4);
    let pool = pool.connect(&stack.database_url).await.expect("PostgreSQL is there");
    let mut crowd = JoinSet::new();
    for member in 0..MEMBERS {
        let node = if member % 2 == 0 { writes.address() } else { asks.address() };
        let (coupon, pool, member) = (coupon.clone(), pool.clone(), format!("member-{member}"));
        crowd.spawn(async move {
            let answer = prefer(node, &coupon, &member, "persisted").await;
            let row: Option<i32> = sqlx::query_scalar(
                "SELECT sequence FROM coupon_issuances WHERE coupon_id = $1 AND member_id = $2 AND code = $3",
            )
            .bind(coupon)
            .bind(member)
            .bind(answer.body["code"].as_str())
            .fetch_optional(&pool)
            .await
            .expect("the table can be read");
            answer.assert_ack(201, "persisted");
            assert_eq!(row.map(i64::from), answer.body["sequence"].as_i64(), "{}", answer.body);
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.expect("each member finds the row");
    }
    for node in [&writes, &asks] {
        assert!(metric(node.address(), "openrun_ack_seconds_count", "persisted").await > 0.0);
        assert!(metric(node.address(), "openrun_ack_waiting_members", "").await < 0.5);
    }
}

/// A row that never comes delays only its own member, and another member's row of the sequence does not count.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_delays_no_later_member_and_a_conflicting_row_does_not_count() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    // The first node learns of rows from its own persisters, the other one only from the database.
    let (node, asks) = tokio::join!(
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", "3000").start(),
        without_persister(&stack, "3000").start()
    );
    create_coupon(node.address(), &coupon, TOTAL).await;
    let url = &stack.database_url;
    let poison = "ALTER TABLE coupon_issuances ADD CONSTRAINT poison CHECK (member_id <> 'poison')";
    execute(url, poison.to_owned()).await;
    execute(
        url,
        format!(
            "INSERT INTO coupon_issuances VALUES
                ('{coupon}', 2, 'stranger', '00000-00000-00000-00000', 'UNUSED', now())"
        ),
    )
    .await;
    let first = prefer(node.address(), &coupon, "poison", "granted").await;
    assert_eq!((first.status, &first.body["sequence"]), (201, &json!(1)));
    let second = prefer(node.address(), &coupon, "kim", "granted").await;
    assert_eq!((second.status, &second.body["sequence"]), (201, &json!(2)));
    let waiting = [(&node, "poison"), (&node, "kim"), (&asks, "poison"), (&asks, "kim")];
    let never = waiting.map(|(node, member)| spawn_prefer(node.address(), &coupon, member, "persisted"));
    until_waiting(node.address(), 2.0).await;
    until_waiting(asks.address(), 2.0).await;
    for (node, member) in [(&node, "lee"), (&asks, "max")] {
        prefer_until(node.address(), &coupon, member, "persisted").await;
    }
    for answer in never {
        answer.await.expect("it does not panic").assert_pending();
    }
    let members: Vec<_> = postgres_rows(url, &coupon).await.into_iter().map(|row| row.1).collect();
    assert_eq!(members, ["stranger", "lee", "max"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_delays_only_members_who_wait_for_it() {
    let postgres = PrivatePostgres::start().await;
    let stack = Stack::private(&own_redis_url().await, &amqp_url(), &postgres.url());
    let (node, coupon) =
        (NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", "2000").start().await, coupon_id());
    create_coupon(node.address(), &coupon, TOTAL).await;
    postgres.pause();
    let waits = spawn_prefer(node.address(), &coupon, "kim", "persisted");
    until_waiting(node.address(), 1.0).await;
    let report = races::run(races::config(node.address(), &coupon, 200, 16)).await;
    assert_eq!((report.shed, report.unknown), (0, 0), "members noticed: {}", races::figures(&report));
    prefer_until(node.address(), &coupon, "lee", "queued").await;
    waits.await.expect("it does not panic").assert_pending();
    postgres.resume();
    for member in ["kim", "lee"] {
        prefer_until(node.address(), &coupon, member, "persisted").await.assert_ack(200, "persisted");
    }
    let rows = postgres_rows(&stack.database_url, &coupon).await;
    assert!(["kim", "lee"].iter().all(|member| rows.iter().any(|row| row.1 == *member)), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_is_never_reported_while_the_broker_is_silent() {
    let (rabbitmq, database) = tokio::join!(PrivateRabbitMq::start(), Database::create());
    let stack = Stack::private(&own_redis_url().await, &rabbitmq.url(), database.url());
    let (short_timeout, long_timeout) = tokio::join!(
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", SHORT_MS).start(),
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", LONG_MS).start()
    );
    let coupon = coupon_id();
    create_coupon(short_timeout.address(), &coupon, TOTAL).await;
    prefer(long_timeout.address(), &coupon, "early", "queued").await.assert_ack(201, "queued");
    rabbitmq.pause();
    let waits = spawn_prefer(long_timeout.address(), &coupon, "waits", "queued");
    until_waiting(long_timeout.address(), 1.0).await;
    for level in ["queued", "persisted"] {
        prefer(short_timeout.address(), &coupon, "kim", level).await.assert_pending();
    }
    prefer(short_timeout.address(), &coupon, "kim", "granted").await.assert_ack(200, "granted");
    assert!(!waits.is_finished(), "there is no confirm yet");
    rabbitmq.resume();
    waits.await.expect("it does not panic").assert_ack(201, "queued");
    prefer_until(short_timeout.address(), &coupon, "kim", "queued").await.assert_ack(200, "queued");
}
