//! Batches of several coupons share a transaction: what is slow about one is the disk, and the disk is asked once for all
//! who came while it was busy (group commit, DeWitt and others, SIGMOD 1984).

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::batches::{self, Batch};
use crate::domain::Decision;
use crate::domain::{AdmissionRequest, CouponId};
use crate::persistence::sqlite::database::SqliteDatabase;
use crate::ports::MAX_BATCH;

/// The most members in one transaction, unless it is a single batch: it must not take so long that everybody waits.
const MEMBERS_MAX: usize = 8 * MAX_BATCH;

/// Those who wait for a transaction. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct GroupCommit {
    database: SqliteDatabase,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether a task is there that serves them. It ends when nobody waits.
    is_served: bool,
}

/// A batch nobody has decided yet, and where the answer goes.
#[derive(Debug)]
struct Waiting {
    batch: Arc<Batch>,
    answer: oneshot::Sender<Option<Decision>>,
}

impl GroupCommit {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        Self { database, queue: Arc::default() }
    }

    /// Decides for a batch, together with others if there are any; `None` if there is no such coupon.
    pub(super) async fn admit(
        &self,
        coupon: &CouponId,
        requests: &[AdmissionRequest],
    ) -> Result<Option<Decision>, sqlx::Error> {
        let batch = Arc::new(Batch { coupon: coupon.clone(), requests: requests.to_vec() });
        let (answer, answered) = oneshot::channel();
        if self.lock().push(Waiting { batch: Arc::clone(&batch), answer }) {
            tokio::spawn(self.clone().serve());
        }
        match answered.await {
            Ok(decision) => Ok(decision),
            // It was with others, one of whom may be the reason: alone, nobody suffers for another.
            Err(_) => self.alone(batch).await,
        }
    }

    /// Transaction after transaction until nobody waits.
    async fn serve(self) {
        loop {
            let company = self.clone();
            let turn = self.database.in_turn(move |c| Box::pin(async move { company.decide(c).await }));
            let failed = turn.await.is_err();
            if !self.lock().go_on(failed) {
                return;
            }
        }
    }

    async fn decide(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let together = self.lock().take();
        if together.is_empty() {
            return Ok(());
        }
        let batches: Vec<&Batch> = together.iter().map(|waiting| &*waiting.batch).collect();
        let decisions = batches::admit(connection, self.database.clock(), &batches).await?;
        for (waiting, decision) in together.into_iter().zip(decisions) {
            // Whoever has gone away asks again, and is told that they hold it.
            waiting.answer.send(decision).ok();
        }
        Ok(())
    }

    /// The batch in a transaction of its own.
    async fn alone(&self, batch: Arc<Batch>) -> Result<Option<Decision>, sqlx::Error> {
        let database = self.database.clone();
        let decisions = self
            .database
            .in_turn(move |c| Box::pin(async move { batches::admit(c, database.clock(), &[&batch]).await }));
        Ok(decisions.await?.pop().flatten())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Puts one at the end; whether a task has to be made that serves them.
    fn push(&mut self, waiting: Waiting) -> bool {
        self.waiting.push_back(waiting);
        !std::mem::replace(&mut self.is_served, true)
    }

    /// Takes out those who have waited longest, one batch a coupon; a second one of the same coupon has to know how the first
    /// ended.
    fn take(&mut self) -> Vec<Waiting> {
        let (mut together, mut later) = (Vec::new(), VecDeque::new());
        let (mut coupons, mut members) = (HashSet::new(), 0);
        for next in self.waiting.drain(..).filter(|waiting| !waiting.answer.is_closed()) {
            let with_it = members + next.batch.requests.len();
            let is_first = coupons.insert(next.batch.coupon.clone());
            if is_first && (with_it <= MEMBERS_MAX || together.is_empty()) {
                members = with_it;
                together.push(next);
            } else {
                later.push_back(next);
            }
        }
        self.waiting = later;
        together
    }

    /// Whether somebody still waits after a transaction. If that failed they are let go, so that each is told by itself why.
    fn go_on(&mut self, failed: bool) -> bool {
        if failed {
            self.waiting.clear();
        }
        self.is_served = !self.waiting.is_empty();
        self.is_served
    }
}

#[cfg(test)]
mod tests;
