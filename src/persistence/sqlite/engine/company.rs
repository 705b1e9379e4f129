//! Batches of several coupons share a transaction: what is slow about one is the disk, and the disk is asked once.
//!
//! There is no actor for it. Everybody puts their batch where all can see it and waits for a turn at the one connection that
//! writes; whoever has the turn decides for all who are waiting (flat combining, Hendler and others, SPAA 2010).

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::batches::{self, Batch};
use crate::domain::CouponId;
use crate::persistence::admission::Decision;
use crate::persistence::sqlite::database::SqliteDatabase;
use crate::ports::{AdmissionRequest, MAX_BATCH};

/// The most members in one transaction, unless it is a single batch: it must not take so long that everybody waits.
const MEMBERS_MAX: usize = 8 * MAX_BATCH;

/// Those who wait for a turn. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Company {
    database: SqliteDatabase,
    waiting: Arc<Mutex<VecDeque<Waiting>>>,
}

/// A batch nobody has decided yet, and where the answer goes.
#[derive(Debug)]
struct Waiting {
    batch: Arc<Batch>,
    answer: oneshot::Sender<Option<Decision>>,
}

impl Company {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        Self { database, waiting: Arc::default() }
    }

    /// Decides for a batch, together with others if there are any; `None` if there is no such coupon.
    pub(super) async fn admit(
        &self,
        coupon: &CouponId,
        requests: &[AdmissionRequest],
    ) -> Result<Option<Decision>, sqlx::Error> {
        let batch = Arc::new(Batch { coupon: coupon.clone(), requests: requests.to_vec() });
        let (answer, mut answered) = oneshot::channel();
        self.lock().push_back(Waiting { batch: Arc::clone(&batch), answer });
        loop {
            let turn = self.turn().await;
            match answered.try_recv() {
                Ok(decision) => return Ok(decision),
                // It was with others, one of whom may be the reason: alone, nobody suffers for another.
                Err(TryRecvError::Closed) => return self.alone(batch).await,
                // It waits still: so many were before it that they filled a transaction, or there was none.
                Err(TryRecvError::Empty) => turn?,
            }
        }
    }

    /// Decides for those who have waited longest, if there are any.
    async fn turn(&self) -> Result<(), sqlx::Error> {
        let company = self.clone();
        let turn = self.database.in_turn(move |c| Box::pin(async move { company.decide(c).await }));
        turn.await
    }

    async fn decide(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let together = self.take();
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

    /// Takes out those who have waited longest, one batch a coupon; a second one of the same coupon has to know how the first
    /// ended.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let (mut together, mut later) = (Vec::new(), VecDeque::new());
        let (mut coupons, mut members) = (HashSet::new(), 0);
        for next in waiting.drain(..).filter(|waiting| !waiting.answer.is_closed()) {
            let with_it = members + next.batch.requests.len();
            let is_first = coupons.insert(next.batch.coupon.clone());
            if is_first && (with_it <= MEMBERS_MAX || together.is_empty()) {
                members = with_it;
                together.push(next);
            } else {
                later.push_back(next);
            }
        }
        *waiting = later;
        together
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
