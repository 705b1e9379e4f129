//! Redis is killed, wiped, or restored to an earlier state: the nodes verify or rebuild it together, and every reported
//! issuance stays valid.

use openrun_load::RaceReport;
use redis::AsyncTypedCommands;

use crate::arrange::start_on_fixed_port;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, ask, assert_promise_kept, assert_rows, count_holders, until, until_issued, until_persisted,
};
use crate::support::services::PrivateRedis;
use crate::support::shared::connect_redis;

const MEMBERS: u64 = 2 * TOTAL as u64;
const TOTAL: u32 = 1_500;
const CLIENTS: usize = 64;

/// Two nodes on a Redis of their own.
struct Pair {
    redis: PrivateRedis,
    stack: std::sync::Arc<Stack>,
    one: NodeProcess,
    other: NodeProcess,
}

impl Pair {
    async fn start() -> Self {
        let redis = PrivateRedis::start().await;
        let stack = Stack::with_redis(&redis.url()).await;
        let (one, other) = tokio::join!(
            start_on_fixed_port(NodeProcess::redis_lua(&stack)),
            start_on_fixed_port(NodeProcess::redis_lua(&stack))
        );
        races::create_coupon(one.address(), "drop", TOTAL).await;
        Self { redis, stack, one, other }
    }

    /// Races on both nodes, with `fault` on Redis after a third is issued; gives both reports.
    async fn race(&mut self, fault: impl AsyncFnOnce(&mut PrivateRedis)) -> [RaceReport; 2] {
        let race = |node: &NodeProcess| races::spawn(races::config(node.address(), "drop", MEMBERS, CLIENTS));
        let (here, there) = (race(&self.one), race(&self.other));
        let issued = until_issued(self.one.address(), "drop", TOTAL / 3).await;
        assert!(issued < TOTAL, "the race was over before the fault");
        fault(&mut self.redis).await;
        let reports =
            [here.await.expect("the race does not panic"), there.await.expect("the race does not panic")];
        for report in &reports {
            eprintln!("redis lost: {}", races::figures(report));
        }
        reports
    }

    /// Panics unless both nodes' answers equal the rows of the database and all coupons are issued.
    async fn assert_nothing_lost(&self, reports: &[RaceReport; 2]) {
        for report in reports {
            assert_promise_kept(report, TOTAL);
            assert_eq!(count_holders(&report.issued_answers), TOTAL as usize, "every coupon has a holder");
        }
        let rows = until_persisted(&self.stack.database_url, "drop", TOTAL).await;
        for report in reports {
            assert_rows(&rows, &report.issued_answers, TOTAL);
        }
    }

    fn logs(&self) -> String {
        self.one.log() + &self.other.log()
    }
}

pub(crate) async fn flush(url: &str) {
    connect_redis(url).await.flushall().await.expect("Redis answers");
}

async fn set_epoch(url: &str, epoch: &str) {
    connect_redis(url).await.hset("coupon:{drop}:meta", "epoch", epoch).await.expect("it is a hash");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_in_a_race_is_verified_and_goes_on() {
    let mut pair = Pair::start().await;
    let reports = pair
        .race(async |redis| {
            redis.kill();
            redis.restart().await;
        })
        .await;
    assert!(reports.iter().any(|report| report.shed > 0), "no request was shed while Redis was down");
    pair.assert_nothing_lost(&reports).await;
    assert!(pair.logs().contains("verified"), "Redis was used without verification");
    assert!(!pair.logs().contains("rebuilt"), "Redis had lost nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_wiped_in_a_race_is_rebuilt_and_goes_on() {
    let mut pair = Pair::start().await;
    let reports = pair.race(async |redis| flush(&redis.url()).await).await;
    pair.assert_nothing_lost(&reports).await;
    assert!(pair.logs().contains("rebuilt"), "Redis was not rebuilt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_restored_to_an_earlier_state_is_rebuilt_and_goes_on() {
    let mut pair = Pair::start().await;
    for member in 0..20 {
        assert_eq!(ask(pair.one.address(), "drop", &format!("early-{member}")).await.0, 201);
    }
    let earlier = pair.redis.copy();
    let reports = pair
        .race(async move |redis| {
            redis.kill();
            redis.restore(&earlier);
            redis.restart().await;
        })
        .await;
    for report in &reports {
        assert_promise_kept(report, TOTAL);
        assert_eq!(count_holders(&report.issued_answers), TOTAL as usize - 20, "every coupon has a holder");
    }
    let rows = until_persisted(&pair.stack.database_url, "drop", TOTAL).await;
    assert_rows(&rows, &reports[0].issued_answers, TOTAL);
    assert_rows(&rows, &reports[1].issued_answers, TOTAL);
    assert!(pair.logs().contains("rebuilt"), "an older copy was not rebuilt");
}

/// An epoch written by hand that no clock gives: nodes neither adopt it nor count up from it.
#[tokio::test(flavor = "multi_thread")]
async fn an_absurd_epoch_is_not_adopted_and_holders_keep_their_coupons() {
    let mut pair = Pair::start().await;
    let mut next = 1;
    for absurd in ["9007199254740993", "9223372036854775807", "99999999999999999999"] {
        let members = [format!("{absurd}-here"), format!("{absurd}-there")];
        assert_eq!(ask(pair.one.address(), "drop", &members[0]).await.1["sequence"], next);
        assert_eq!(ask(pair.other.address(), "drop", &members[1]).await.1["sequence"], next + 1);
        let rebuilt = pair.logs().matches("trusted again").count();
        set_epoch(&pair.redis.url(), absurd).await;
        until("a rebuilt coupon", async || {
            (pair.logs().matches("trusted again").count() > rebuilt).then_some(())
        })
        .await;
        for (node, sequence) in [(&pair.other, next), (&pair.one, next)] {
            let again = until("the same coupon", async || {
                let (status, body) = ask(node.address(), "drop", &members[0]).await;
                assert!(matches!(status, 200 | 503), "{absurd}: {status} {body}");
                (status == 200).then_some(body)
            })
            .await;
            assert_eq!(again["sequence"], sequence, "{absurd}");
        }
        next += 2;
    }
    // A node without a memory of its own does not adopt it either.
    let held = until_persisted(&pair.stack.database_url, "drop", next - 1).await;
    pair.one.kill();
    pair.other.kill();
    set_epoch(&pair.redis.url(), "9223372036854775807").await;
    pair.one.restart().await;
    let first = until("an answer", async || {
        let (status, body) = ask(pair.one.address(), "drop", &held[0].1).await;
        (status == 200).then_some(body)
    })
    .await;
    assert_eq!(first["sequence"], 1);
}

/// Only the database has the issuances.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_on_a_wiped_redis_rebuild_it_first() {
    const ISSUED: u32 = 50;
    let mut pair = Pair::start().await;
    let report = races::run(races::config(pair.one.address(), "drop", ISSUED.into(), CLIENTS)).await;
    until_persisted(&pair.stack.database_url, "drop", ISSUED).await;
    pair.one.kill();
    pair.other.kill();
    flush(&pair.redis.url()).await;
    pair.one.restart().await;
    let (_, first) = until("a new coupon", async || {
        let answer = ask(pair.one.address(), "drop", "later").await;
        assert!(matches!(answer.0, 201 | 503), "{answer:?}");
        (answer.0 == 201).then_some(answer)
    })
    .await;
    assert_eq!(first["sequence"], ISSUED + 1);
    for answer in &report.issued_answers {
        let (status, again) = ask(pair.one.address(), "drop", &answer.member_id).await;
        assert_eq!((status, again["sequence"].as_u64()), (200, Some(answer.sequence.into())));
    }
}
