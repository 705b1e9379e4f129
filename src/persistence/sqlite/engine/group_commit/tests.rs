//! Batches that share a transaction.

use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::{AdmissionRequest, CouponId, MAX_BATCH};
use crate::domain::Verdict;
use crate::persistence::sqlite::EmbeddedEngine;
use crate::persistence::sqlite::engine::tests::{asking, by_hand, engine, id, load};
use crate::ports::{AdmissionEngine, BatchAnswer, EngineError};

/// Nothing here takes longer, on the slowest machine.
const BOUND: Duration = Duration::from_secs(30);

/// Keeps everybody waiting for their turn until it is told to let them.
struct Held {
    let_go: oneshot::Sender<()>,
    turn: JoinHandle<()>,
}

impl Held {
    async fn back(engine: &EmbeddedEngine) -> Self {
        let ((let_go, gone), (holds, held)) = (oneshot::channel(), oneshot::channel());
        let database = engine.database.clone();
        let turn = tokio::spawn(async move {
            let turn = database.in_turn(move |_| {
                Box::pin(async move {
                    holds.send(()).unwrap();
                    gone.await.unwrap();
                    Ok(())
                })
            });
            turn.await.unwrap();
        });
        held.await.unwrap();
        Self { let_go, turn }
    }

    async fn let_go(self) {
        self.let_go.send(()).unwrap();
        self.turn.await.unwrap();
    }
}

/// Waits until so many batches wait for their turn.
async fn until_waiting(engine: &EmbeddedEngine, count: usize) {
    let all_wait = async {
        while engine.company.lock().waiting.len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(BOUND, all_wait).await.expect("they wait");
}

/// Who asks for which coupon, all of them while nobody has a turn, in this order.
async fn together(
    engine: &EmbeddedEngine,
    batches: Vec<(CouponId, Vec<AdmissionRequest>)>,
) -> Vec<Result<BatchAnswer, EngineError>> {
    let (held, mut asked) = (Held::back(engine).await, JoinSet::new());
    for (place, (coupon, batch)) in batches.into_iter().enumerate() {
        let asking = engine.clone();
        asked.spawn(async move { (place, asking.admit(&coupon, &batch).await) });
        until_waiting(engine, place + 1).await;
    }
    held.let_go().await;
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn issued(answer: Result<BatchAnswer, EngineError>) -> Vec<u32> {
    let sequence = |verdict: &Verdict| match verdict {
        Verdict::Issued(grant) => grant.sequence,
        other => panic!("{other:?}"),
    };
    answer.unwrap().verdicts.iter().map(sequence).collect()
}

fn coupons(count: usize) -> Vec<CouponId> {
    (0..count).map(|number| id(&format!("drop-{number}"))).collect()
}

/// How many transactions the log of writes holds: the frames that end one say how large the file is then
/// (<https://www.sqlite.org/fileformat.html#the_write_ahead_log>).
fn commits(directory: &Path) -> usize {
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
    let before = commits(directory.path());
    let batches = coupons.iter().map(|coupon| (coupon.clone(), asking("kim").into())).collect();
    for answer in together(&engine, batches).await {
        assert_eq!(issued(answer), [1]);
    }
    assert_eq!(commits(directory.path()) - before, 1);
    for coupon in &coupons {
        assert_eq!(engine.standing(coupon).await.unwrap().inventory.issued(), 1);
    }
}

#[tokio::test]
async fn batches_of_one_coupon_follow_one_another() {
    let (engine, _directory) = engine().await;
    let [drop, other] = [id("drop"), id("other")];
    load(&engine, &[drop.clone(), other.clone()]).await;
    let asked = ["kim", "lee", "kim", "han", "yun"].map(|member| (drop.clone(), asking(member).into()));
    let batches = asked.into_iter().chain([(other, asking("kim").into())]).collect();
    let answers = together(&engine, batches).await;
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
    let crowd = |coupon: &CouponId| {
        let members = (0..MAX_BATCH).flat_map(|number| asking(&format!("{coupon}-{number}")));
        (coupon.clone(), members.collect())
    };
    let before = commits(directory.path());
    for answer in together(&engine, coupons.iter().map(crowd).collect()).await {
        let verdicts = answer.unwrap().verdicts;
        assert!(verdicts[..3].iter().all(|verdict| matches!(verdict, Verdict::Issued(_))));
        assert!(verdicts[3..].iter().all(|verdict| matches!(verdict, Verdict::Rejected(_))));
    }
    assert_eq!(commits(directory.path()) - before, 3, "eight full batches in each");
}

#[tokio::test]
async fn what_is_wrong_with_one_coupon_is_nobody_elses_trouble() {
    let (engine, _directory) = engine().await;
    let [good, bad, fine, none] = ["good", "bad", "fine", "none"].map(id);
    load(&engine, &[good.clone(), bad.clone(), fine.clone()]).await;
    by_hand(&engine, "PRAGMA ignore_check_constraints = 1; UPDATE coupons SET name = '' WHERE id = 'bad'")
        .await;
    let batches = [good, bad, fine, none].map(|coupon| (coupon, asking("kim").into())).into();
    let [good, bad, fine, none] = <[_; 4]>::try_from(together(&engine, batches).await).unwrap();
    assert_eq!((issued(good), issued(fine)), (vec![1], vec![1]));
    assert!(matches!(bad, Err(EngineError::Corrupt(_))), "{bad:?}");
    assert!(matches!(none, Err(EngineError::UnknownCoupon)), "{none:?}");
}

#[tokio::test]
async fn who_goes_away_while_waiting_is_not_waited_for() {
    let (engine, _directory) = engine().await;
    load(&engine, &[id("drop")]).await;
    let held = Held::back(&engine).await;
    let ask = |member| {
        let engine = engine.clone();
        tokio::spawn(async move { engine.admit(&id("drop"), &asking(member)).await })
    };
    let gone = ask("kim");
    until_waiting(&engine, 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let stays = ask("lee");
    until_waiting(&engine, 2).await;
    held.let_go().await;
    assert_eq!(issued(stays.await.unwrap()), [1]);
    assert_eq!(engine.find(&id("drop"), &asking("kim")[0].member).await.unwrap(), None);
}

#[tokio::test]
async fn a_database_that_is_closed_keeps_nobody_waiting() {
    let (engine, _directory) = engine().await;
    load(&engine, &[id("drop")]).await;
    engine.database.close().await;
    let drop = id("drop");
    let kim = asking("kim");
    let answer = tokio::time::timeout(BOUND, engine.admit(&drop, &kim)).await.expect("an answer");
    assert!(matches!(answer, Err(EngineError::Unavailable(_))), "{answer:?}");
}
