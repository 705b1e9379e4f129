//! What `ack` says is true when it is said: nobody is told `queued` or `persisted` before it is so, and who is not told
//! in time holds the coupon all the same.

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
/// A node whose members give up soon, and one whose members are still there when the test has looked at everything.
const HASTY_MS: &str = "1500";
const PATIENT_MS: &str = "60000";
/// Longer than any node's.
const ANSWER_BOUND: Duration = Duration::from_secs(80);

/// One answer to somebody who prefers a level.
#[derive(Debug)]
struct Told {
    status: u16,
    body: Value,
}

impl Told {
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

async fn prefer(node: SocketAddr, coupon: &str, member: &str, level: &str) -> Told {
    let call = http().post(format!("http://{node}/v1/coupons/{coupon}/issuances")).timeout(ANSWER_BOUND);
    let call = call.header("Prefer", format!("ack={level}")).json(&json!({ "member_id": member }));
    let answer = call.send().await.expect("an answer");
    assert_eq!(answer.headers().contains_key("retry-after"), answer.status() == 503);
    Told { status: answer.status().as_u16(), body: answer.json().await.unwrap_or_default() }
}

/// One answer to somebody who only looks up what they hold.
async fn look_up(node: SocketAddr, coupon: &str, member: &str, level: &str) -> Told {
    let call = http().get(format!("http://{node}/v1/coupons/{coupon}/issuances/{member}"));
    let answer = call.timeout(ANSWER_BOUND).header("Prefer", format!("ack={level}")).send().await;
    let answer = answer.expect("an answer");
    Told { status: answer.status().as_u16(), body: answer.json().await.unwrap_or_default() }
}

/// Asks until the level is reached, as a client does who is told to ask again; gives nothing else a chance to be said.
async fn prefer_until(node: SocketAddr, coupon: &str, member: &str, level: &str) -> Told {
    until(&format!("{level} for {member}"), async || {
        let told = prefer(node, coupon, member, level).await;
        if told.status == 503 {
            return None;
        }
        assert_eq!(told.body["ack"], level, "{}", told.body);
        Some(told)
    })
    .await
}

fn spawn_prefer(node: SocketAddr, coupon: &str, member: &str, level: &'static str) -> JoinHandle<Told> {
    let (coupon, member) = (coupon.to_owned(), member.to_owned());
    tokio::spawn(async move { prefer(node, &coupon, &member, level).await })
}

async fn until_waiting(node: SocketAddr, count: f64) {
    until(&format!("{count} who wait"), async || {
        let waiting = metric(node, "openrun_ack_waiting_members", "").await;
        (waiting >= count).then_some(())
    })
    .await;
}

fn without_persister(stack: &std::sync::Arc<Stack>, timeout_ms: &str) -> NodeBuilder {
    let node = NodeProcess::redis_lua(stack).set("OPENRUN_ROLES", "api,publisher");
    node.set("OPENRUN_REQUEST_TIMEOUT_MS", timeout_ms)
}

async fn by_hand(database_url: &str, statement: String) {
    let mut connection = PgConnection::connect(database_url).await.expect("PostgreSQL is there");
    connection.execute(AssertSqlSafe(statement)).await.expect("the statement is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_called_persisted_before_its_row_is_there() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let (mut hasty, patient) = tokio::join!(
        without_persister(&stack, HASTY_MS).start(),
        without_persister(&stack, PATIENT_MS).start()
    );
    create_coupon(hasty.address(), &coupon, TOTAL).await;
    // Nobody writes to the database. The broker has it, which is as much as can be said.
    let waits = spawn_prefer(patient.address(), &coupon, "waits", "persisted");
    until_waiting(patient.address(), 1.0).await;
    prefer(hasty.address(), &coupon, "kim", "persisted").await.assert_pending();
    prefer(hasty.address(), &coupon, "kim", "persisted").await.assert_pending();
    prefer_until(hasty.address(), &coupon, "kim", "queued").await.assert_ack(200, "queued");
    prefer(hasty.address(), &coupon, "kim", "granted").await.assert_ack(200, "granted");
    look_up(hasty.address(), &coupon, "kim", "granted").await.assert_ack(200, "granted");
    look_up(hasty.address(), &coupon, "kim", "persisted").await.assert_pending();
    prefer(patient.address(), &coupon, "lee", "queued").await.assert_ack(201, "queued");
    prefer(patient.address(), &coupon, "max", "granted").await.assert_ack(201, "granted");
    assert_eq!(postgres_rows(&stack.database_url, &coupon).await, []);
    assert!(!waits.is_finished(), "somebody was told of a row that is not there");
    let issued = races::until_issued(hasty.address(), &coupon, 4).await;
    assert_eq!(issued, 4, "asking again takes nothing");

    let _persister = NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "persister").start().await;
    let told = waits.await.expect("it does not panic");
    // Read after the answer: what it says must be so by now.
    let rows = postgres_rows(&stack.database_url, &coupon).await;
    told.assert_ack(201, "persisted");
    assert!(rows.iter().any(|row| row.1 == "waits"), "{rows:?}");
    prefer_until(hasty.address(), &coupon, "kim", "persisted").await.assert_ack(200, "persisted");
    look_up(hasty.address(), &coupon, "kim", "persisted").await.assert_ack(200, "persisted");
    // A node that has forgotten what was confirmed takes the database's word for it.
    hasty.restart().await;
    prefer_until(hasty.address(), &coupon, "kim", "queued").await.assert_ack(200, "queued");
}

/// Members on a node that writes, and on one that does not, whose rows others write.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_a_crowd_finds_the_row_when_told() {
    const MEMBERS: u32 = 300;
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let (writes, asks) = tokio::join!(
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", PATIENT_MS).start(),
        without_persister(&stack, PATIENT_MS).start()
    );
    create_coupon(writes.address(), &coupon, TOTAL).await;
    // Until that node knows it too.
    prefer(asks.address(), &coupon, "first", "granted").await.assert_ack(201, "granted");
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(4);
    let pool = pool.connect(&stack.database_url).await.expect("PostgreSQL is there");
    let mut crowd = JoinSet::new();
    for member in 0..MEMBERS {
        let node = if member % 2 == 0 { writes.address() } else { asks.address() };
        let (coupon, pool, member) = (coupon.clone(), pool.clone(), format!("member-{member}"));
        crowd.spawn(async move {
            let told = prefer(node, &coupon, &member, "persisted").await;
            let row: Option<i32> = sqlx::query_scalar(
                "SELECT sequence FROM coupon_issuances WHERE coupon_id = $1 AND member_id = $2 AND code = $3",
            )
            .bind(coupon)
            .bind(member)
            .bind(told.body["code"].as_str())
            .fetch_optional(&pool)
            .await
            .expect("the table can be read");
            told.assert_ack(201, "persisted");
            assert_eq!(row.map(i64::from), told.body["sequence"].as_i64(), "{}", told.body);
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.expect("everybody finds the row");
    }
    for node in [&writes, &asks] {
        assert!(metric(node.address(), "openrun_ack_seconds_count", "persisted").await > 0.0);
        assert!(metric(node.address(), "openrun_ack_waiting_members", "").await < 0.5);
    }
}

/// A row that never comes holds up nobody but who waits for it, and another's row under the same sequence is no row.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_holds_up_nobody_behind_it_and_a_contradiction_is_no_row() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    // One learns of rows from its own persisters first, the other only by asking the database.
    let (node, asks) = tokio::join!(
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", "3000").start(),
        without_persister(&stack, "3000").start()
    );
    create_coupon(node.address(), &coupon, TOTAL).await;
    let url = &stack.database_url;
    let poison = "ALTER TABLE coupon_issuances ADD CONSTRAINT poison CHECK (member_id <> 'poison')";
    by_hand(url, poison.to_owned()).await;
    by_hand(
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
    for told in never {
        told.await.expect("it does not panic").assert_pending();
    }
    let members: Vec<_> = postgres_rows(url, &coupon).await.into_iter().map(|row| row.1).collect();
    assert_eq!(members, ["stranger", "lee", "max"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_holds_up_only_who_waits_for_it() {
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
async fn nothing_is_called_queued_while_the_broker_is_silent() {
    let (rabbitmq, database) = tokio::join!(PrivateRabbitMq::start(), Database::create());
    let stack = Stack::private(&own_redis_url().await, &rabbitmq.url(), database.url());
    let (hasty, patient) = tokio::join!(
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", HASTY_MS).start(),
        NodeProcess::redis_lua(&stack).set("OPENRUN_REQUEST_TIMEOUT_MS", PATIENT_MS).start()
    );
    let coupon = coupon_id();
    create_coupon(hasty.address(), &coupon, TOTAL).await;
    prefer(patient.address(), &coupon, "early", "queued").await.assert_ack(201, "queued");
    rabbitmq.pause();
    let waits = spawn_prefer(patient.address(), &coupon, "waits", "queued");
    until_waiting(patient.address(), 1.0).await;
    for level in ["queued", "persisted"] {
        prefer(hasty.address(), &coupon, "kim", level).await.assert_pending();
    }
    prefer(hasty.address(), &coupon, "kim", "granted").await.assert_ack(200, "granted");
    assert!(!waits.is_finished(), "nobody has confirmed anything");
    rabbitmq.resume();
    waits.await.expect("it does not panic").assert_ack(201, "queued");
    prefer_until(hasty.address(), &coupon, "kim", "queued").await.assert_ack(200, "queued");
}
