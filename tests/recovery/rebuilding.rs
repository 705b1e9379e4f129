//! A wiped Redis with many issuances in the database: the rebuild ends, whichever node leads it or dies meanwhile, and small
//! coupons do not wait for large ones.

use std::sync::Arc;
use std::time::Duration;

use redis::AsyncTypedCommands;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::arrange::lost_numbers;
use crate::redis_lost::flush;
use crate::support::node::{NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::races::{self, request_coupon, until};
use crate::support::services::PrivateRedis;
use crate::support::shared::connect_redis;

/// Enough pages that a rebuild through the delayed proxy outlasts the lease of its leader.
const ROWS: u32 = 60_000;
/// For each chunk of 64 KiB in each direction.
const DELAY: Duration = Duration::from_millis(100);

const REBUILT: &str = "the engine is rebuilt from the database";
const TRUSTED: &str = "the engine is trusted again";

/// Two nodes that reach a Redis of their own through one proxy.
struct Pair {
    redis: PrivateRedis,
    proxy: Proxy,
    stack: Arc<Stack>,
    nodes: [NodeProcess; 2],
}

impl Pair {
    async fn start() -> Self {
        let redis = PrivateRedis::start().await;
        let proxy = Proxy::start(redis.port()).await;
        let stack = Stack::with_redis(&redis.url_through(proxy.port())).await;
        let (one, other) =
            tokio::join!(NodeProcess::redis_lua(&stack).start(), NodeProcess::redis_lua(&stack).start());
        Self { redis, proxy, stack, nodes: [one, other] }
    }

    /// Creates a coupon of which the database has `rows` issuances that Redis does not know.
    async fn create(&self, coupon: &str, rows: u32) {
        races::create_coupon(self.nodes[0].address(), coupon, rows + 10).await;
        let statement = format!(
            "INSERT INTO coupon_issuances SELECT '{coupon}', n, 'm' || n, substr(code, 1, 5) || '-' || substr(code, 6, 5)
                    || '-' || substr(code, 11, 5) || '-' || substr(code, 16, 5), 'UNUSED', now()
                FROM (SELECT n, upper(md5('{coupon}' || n)) AS code FROM generate_series(1, {rows}) AS n) AS numbers"
        );
        self.execute(statement).await;
    }

    async fn execute(&self, statement: String) {
        let mut database = PgConnection::connect(&self.stack.database_url).await.expect("PostgreSQL answers");
        database.execute(AssertSqlSafe(statement)).await.expect("the statement is valid");
    }

    /// Wipes Redis and slows it down.
    async fn wipe(&self) {
        flush(&self.redis.url()).await;
        self.proxy.set(Mode::Delay(DELAY)).await;
    }

    async fn restored(&self, coupon: &str) -> usize {
        let mut redis = connect_redis(&self.redis.url()).await;
        redis.hlen(format!("coupon:{{{coupon}}}:participants")).await.expect("it is a hash, or not there")
    }

    /// Waits until `coupon` has `rows` holders in Redis. Panics if their number falls.
    async fn until_restored(&self, coupon: &str, rows: u32, from: usize) -> usize {
        let mut highest = from;
        until(&format!("{rows} holders of {coupon}"), async || {
            let restored = self.restored(coupon).await;
            assert!(restored >= highest, "the rebuild began again: {restored} holders after {highest}");
            highest = restored;
            (restored >= rows as usize).then_some(restored)
        })
        .await
    }

    fn logs(&self) -> String {
        self.nodes[0].log() + &self.nodes[1].log()
    }
}

async fn assert_served(node: &NodeProcess, coupon: &str, member: &str, sequence: u32) {
    let answer = until("the coupon to be served again", async || {
        let answer = request_coupon(node.address(), coupon, member).await;
        assert!(matches!(answer.0, 200 | 201 | 503), "{answer:?}");
        (answer.0 != 503).then_some(answer)
    })
    .await;
    assert_eq!(answer.1["sequence"], sequence, "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_outlasts_the_lease_is_not_begun_again() {
    let pair = Pair::start().await;
    pair.create("drop", ROWS).await;
    pair.wipe().await;
    pair.until_restored("drop", ROWS, 0).await;
    assert_served(&pair.nodes[0], "drop", "m7", 7).await;
    assert_served(&pair.nodes[1], "drop", "new", ROWS + 1).await;
    assert_eq!(pair.logs().matches(REBUILT).count(), 1, "one node rebuilds, once");
    assert_eq!(pair.logs().matches(TRUSTED).count(), 1, "the recovery ends once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_goes_on_where_it_stopped_when_its_leader_dies() {
    let mut pair = Pair::start().await;
    pair.create("drop", ROWS).await;
    pair.wipe().await;
    let restored = pair.until_restored("drop", ROWS / 4, 0).await;
    assert!(restored < ROWS as usize, "the rebuild was over before its leader died");
    let leader = usize::from(!pair.nodes[0].log().contains(REBUILT));
    pair.nodes[leader].kill();
    pair.until_restored("drop", ROWS, restored).await;
    assert_served(&pair.nodes[1 - leader], "drop", "m1", 1).await;
    assert_served(&pair.nodes[1 - leader], "drop", &format!("m{ROWS}"), ROWS).await;
    assert_served(&pair.nodes[1 - leader], "drop", "new", ROWS + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_coupon_does_not_wait_for_the_rebuild_of_large_ones() {
    /// More than the steps that a node takes at the same time.
    const LARGE: usize = 5;
    let pair = Pair::start().await;
    for number in 0..LARGE {
        pair.create(&format!("large-{number}"), ROWS * 2 / 3).await;
    }
    pair.create("small", 1).await;
    pair.wipe().await;
    assert_served(&pair.nodes[0], "small", "m1", 1).await;
    let logs = pair.logs();
    let trusted: Vec<_> =
        logs.lines().filter(|line| line.contains(TRUSTED) && line.contains("large-")).collect();
    assert!(trusted.is_empty(), "large coupons were rebuilt first: {trusted:?}");
    until("a large coupon", async || (pair.logs().matches(TRUSTED).count() > 1).then_some(())).await;
}

/// The progress of the watermark says that all rows are there; the rebuild finds the gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_deleted_below_the_kept_watermark_is_reported_as_lost() {
    let pair = Pair::start().await;
    pair.create("drop", ROWS / 3).await;
    flush(&pair.redis.url()).await;
    // No node remembers the holder of the row that is deleted.
    assert_served(&pair.nodes[0], "drop", "m8", 8).await;
    pair.execute("DELETE FROM coupon_issuances WHERE sequence = 7".to_owned()).await;
    flush(&pair.redis.url()).await;
    let lost = until("the loss to be noticed", async || {
        lost_numbers(&pair.nodes[0], "", None).await.1.as_array()?.first().cloned()
    })
    .await;
    assert_eq!((&lost["count"], &lost["first"]), (&json!(1), &json!(7)), "{lost}");
}
