//! Batches that share a transaction.
//!
//! A `HeldWriter` keeps the queue from being committed until the test releases it.

use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::{AdmissionRequest, CouponId, MAX_BATCH};
use crate::domain::Verdict;
use crate::persistence::sqlite::EmbeddedEngine;
use crate::persistence::sqlite::engine::tests::{engine, execute_sql, id, load, request};
use crate::ports::{AdmissionEngine, BatchAnswer, EngineError};

/// Bound on every wait, long enough for the slowest machine.
const BOUND: Duration = Duration::from_secs(30);

struct HeldWriter {
    release: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl HeldWriter {
    async fn hold(engine: &EmbeddedEngine) -> Self {
        let (release, released) = oneshot::channel();
        let (holding, held) = oneshot::channel();
        let database = engine.database.clone();
        let task = tokio::spawn(async move {
            let work = database.with_writer(move |_| {
                Box::pin(async move {
                    holding.send(()).unwrap();
                    released.await.unwrap();
                    Ok(())
                })
            });
            work.await.unwrap();
        });
        held.await.unwrap();
        Self { release, task }
    }

    async fn release(self) {
        self.release.send(()).unwrap();
        self.task.await.unwrap();
    }
}

async fn wait_until_queued(engine: &EmbeddedEngine, count: usize) {
    let all_queued = async {
        while engine.group_commit.queue.lock().waiting.len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(BOUND, all_queued).await.expect("the batches are queued");
}

/// Queues all batches in this order while the writer is held, and gives the answers in the same order.
async fn admit_together(
    engine: &EmbeddedEngine,
    batches: Vec<(CouponId, Vec<AdmissionRequest>)>,
) -> Vec<Result<BatchAnswer, EngineError>> {
    let writer = HeldWriter::hold(engine).await;
    let mut calls = JoinSet::new();
    for (index, (coupon, batch)) in batches.into_iter().enumerate() {
        let caller = engine.clone();
        calls.spawn(async move { (index, caller.admit(&coupon, &batch).await) });
        wait_until_queued(engine, index + 1).await;
    }
    writer.release().await;
    let mut answers = calls.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn issued_sequences(answer: Result<BatchAnswer, EngineError>) -> Vec<u32> {
    let sequence = |verdict: &Verdict| match verdict {
        Verdict::Issued(grant) => grant.sequence,
        other => panic!("{other:?}"),
    };
    answer.unwrap().verdicts.iter().map(sequence).collect()
}

fn coupons(count: usize) -> Vec<CouponId> {
    (0..count).map(|number| id(&format!("drop-{number}"))).collect()
}

/// Counts the transactions in the write-ahead log: only the last frame of each has a file size above zero
/// (<https://www.sqlite.org/fileformat.html#the_write_ahead_log>).
fn count_commits(directory: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let log = std::fs::read(directory.join("openrun.sqlite-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = FRAME_HEADER + number(8) as usize;
    let salt = &log[16..24];
    let frames = (HEADER..log.len()).step_by(frame).take_while(|at| log[at + 8..at + 16] == *salt);
    frames.filter(|at| number(at + 4) > 0).count()
}

#[tokio::test]
async fn coupons_that_wait_together_are_committed_together() {
    let (engine, directory) = engine().await;
    let coupons = coupons(100);
    load(&engine, &coupons).await;
    let before = count_commits(directory.path());
    let batches = coupons.iter().map(|coupon| (coupon.clone(), request("kim").into())).collect();
    for answer in admit_together(&engine, batches).await {
        assert_eq!(issued_sequences(answer), [1]);
    }
    assert_eq!(count_commits(directory.path()) - before, 1);
    for coupon in &coupons {
        assert_eq!(engine.standing(coupon).await.unwrap().inventory.issued(), 1);
    }
}

#[tokio::test]
async fn batches_of_one_coupon_follow_one_another() {
    let (engine, _directory) = engine().await;
    let [drop, other] = [id("drop"), id("other")];
    load(&engine, &[drop.clone(), other.clone()]).await;
    let requests = ["kim", "lee", "kim", "han", "yun"].map(|member| (drop.clone(), request(member).into()));
    let batches = requests.into_iter().chain([(other, request("kim").into())]).collect();
    let answers = admit_together(&engine, batches).await;
    let verdicts: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().verdicts[0]).collect();
    let [
        Verdict::Issued(kim),
        Verdict::Issued(lee),
        Verdict::Again(again),
        Verdict::Issued(han),
        last,
        other,
    ] = verdicts[..]
    else {
        panic!("{verdicts:?}")
    };
    assert_eq!((kim.sequence, lee.sequence, han.sequence), (1, 2, 3));
    assert_eq!(again, kim);
    assert!(matches!(last, Verdict::Rejected(_)), "{last:?}");
    assert!(matches!(other, Verdict::Issued(_)), "{other:?}");
}

#[tokio::test]
async fn more_than_fit_into_one_transaction_are_all_decided() {
    let (engine, directory) = engine().await;
    let coupons = coupons(20);
    load(&engine, &coupons).await;
    let full_batch = |coupon: &CouponId| {
        let requests = (0..MAX_BATCH).flat_map(|number| request(&format!("{coupon}-{number}")));
        (coupon.clone(), requests.collect())
    };
    let before = count_commits(directory.path());
    for answer in admit_together(&engine, coupons.iter().map(full_batch).collect()).await {
        let verdicts = answer.unwrap().verdicts;
        assert!(verdicts[..3].iter().all(|verdict| matches!(verdict, Verdict::Issued(_))));
        assert!(verdicts[3..].iter().all(|verdict| matches!(verdict, Verdict::Rejected(_))));
    }
    assert_eq!(count_commits(directory.path()) - before, 3, "eight full batches in each");
}

#[tokio::test]
async fn a_corrupt_coupon_does_not_fail_the_other_coupons_of_its_group() {
    let (engine, _directory) = engine().await;
    let [good, bad, fine, none] = ["good", "bad", "fine", "none"].map(id);
    load(&engine, &[good.clone(), bad.clone(), fine.clone()]).await;
    execute_sql(
        &engine,
        "PRAGMA ignore_check_constraints = 1; UPDATE coupons SET name = '' WHERE id = 'bad'",
    )
    .await;
    let batches = [good, bad, fine, none].map(|coupon| (coupon, request("kim").into())).into();
    let [good, bad, fine, none] = <[_; 4]>::try_from(admit_together(&engine, batches).await).unwrap();
    assert_eq!((issued_sequences(good), issued_sequences(fine)), (vec![1], vec![1]));
    assert!(matches!(bad, Err(EngineError::Corrupt(_))), "{bad:?}");
    assert!(matches!(none, Err(EngineError::UnknownCoupon)), "{none:?}");
}

#[tokio::test]
async fn the_batch_of_a_cancelled_caller_is_dropped() {
    let (engine, _directory) = engine().await;
    load(&engine, &[id("drop")]).await;
    let writer = HeldWriter::hold(&engine).await;
    let spawn_call = |member| {
        let engine = engine.clone();
        tokio::spawn(async move { engine.admit(&id("drop"), &request(member)).await })
    };
    let cancelled = spawn_call("kim");
    wait_until_queued(&engine, 1).await;
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    let waiting = spawn_call("lee");
    wait_until_queued(&engine, 2).await;
    writer.release().await;
    assert_eq!(issued_sequences(waiting.await.unwrap()), [1]);
    assert_eq!(engine.find(&id("drop"), &request("kim")[0].member).await.unwrap(), None);
}

#[tokio::test]
async fn a_closed_database_answers_at_once() {
    let (engine, _directory) = engine().await;
    load(&engine, &[id("drop")]).await;
    engine.database.close().await;
    let drop = id("drop");
    let kim = request("kim");
    let answer = tokio::time::timeout(BOUND, engine.admit(&drop, &kim)).await.expect("an answer");
    assert!(matches!(answer, Err(EngineError::Unavailable(_))), "{answer:?}");
}
