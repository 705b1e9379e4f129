//! Group commit: batches of several coupons share a transaction. The sync of the disk dominates a commit, so all
//! batches that arrive during one sync are committed together by the next (DeWitt and others, SIGMOD 1984).

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::batches::{self, Batch};
use crate::domain::{AdmissionRequest, CouponId, Decision};
use crate::persistence::sqlite::database::SqliteDatabase;
use crate::ports::MAX_BATCH;
use crate::sync::Locked;

/// Bound on the members of a group, so that no transaction delays all others for long.
const MEMBERS_MAX: usize = 8 * MAX_BATCH;

/// The queue of undecided batches. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct GroupCommit {
    database: SqliteDatabase,
    queue: Arc<Locked<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether a task commits the queue. It ends when the queue is empty.
    has_task: bool,
}

/// An undecided batch.
#[derive(Debug)]
struct Waiting {
    batch: Arc<Batch>,
    reply: oneshot::Sender<Option<Decision>>,
}

impl GroupCommit {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        Self { database, queue: Arc::default() }
    }

    /// Decides for a batch, in a group with others that wait; `None` if there is no such coupon.
    pub(super) async fn admit(
        &self,
        coupon: &CouponId,
        requests: &[AdmissionRequest],
    ) -> Result<Option<Decision>, sqlx::Error> {
        let batch = Arc::new(Batch { coupon: coupon.clone(), requests: requests.to_vec() });
        let (reply, decision) = oneshot::channel();
        if self.queue.lock().push(Waiting { batch: Arc::clone(&batch), reply }) {
            tokio::spawn(self.clone().commit_groups());
        }
        match decision.await {
            Ok(decision) => Ok(decision),
            // The group failed, perhaps because of another batch. A transaction of its own shows this batch's own
            // error.
            Err(_) => self.admit_alone(batch).await,
        }
    }

    /// Commits one group after another until the queue is empty.
    async fn commit_groups(self) {
        loop {
            let this = self.clone();
            let transaction =
                self.database.with_writer(move |c| Box::pin(async move { this.commit_group(c).await }));
            let failed = transaction.await.is_err();
            if !self.queue.lock().has_more(failed) {
                return;
            }
        }
    }

    async fn commit_group(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let group = self.queue.lock().take_group();
        if group.is_empty() {
            return Ok(());
        }
        let batches: Vec<&Batch> = group.iter().map(|waiting| &*waiting.batch).collect();
        let decisions = batches::admit(connection, self.database.clock(), &batches).await?;
        for (waiting, decision) in group.into_iter().zip(decisions) {
            // A cancelled caller loses the reply; a repeated request gets the same issuance.
            waiting.reply.send(decision).ok();
        }
        Ok(())
    }

    async fn admit_alone(&self, batch: Arc<Batch>) -> Result<Option<Decision>, sqlx::Error> {
        let database = self.database.clone();
        let transaction = self.database.with_writer(move |c| {
            Box::pin(async move { batches::admit(c, database.clock(), &[&batch]).await })
        });
        Ok(transaction.await?.pop().flatten())
    }
}

impl Queue {
    /// Appends a batch, and gives whether a task must be started.
    fn push(&mut self, waiting: Waiting) -> bool {
        self.waiting.push_back(waiting);
        !std::mem::replace(&mut self.has_task, true)
    }

    /// Removes the oldest batches, one per coupon: a second batch of a coupon depends on the result of the first.
    /// Batches of cancelled callers are dropped. A single batch may exceed the bound.
    fn take_group(&mut self) -> Vec<Waiting> {
        let mut group = Vec::new();
        let mut later = VecDeque::new();
        let mut coupons = HashSet::new();
        let mut members = 0;
        for next in self.waiting.drain(..).filter(|waiting| !waiting.reply.is_closed()) {
            let members_with_next = members + next.batch.requests.len();
            let is_first = coupons.insert(next.batch.coupon.clone());
            if is_first && (members_with_next <= MEMBERS_MAX || group.is_empty()) {
                members = members_with_next;
                group.push(next);
            } else {
                later.push_back(next);
            }
        }
        self.waiting = later;
        group
    }

    /// Whether batches wait after a transaction. After a failure the queue is emptied, so that each of them is decided
    /// in a transaction of its own.
    fn has_more(&mut self, failed: bool) -> bool {
        if failed {
            self.waiting.clear();
        }
        self.has_task = !self.waiting.is_empty();
        self.has_task
    }
}

#[cfg(test)]
mod tests;
