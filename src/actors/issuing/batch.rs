//! The queue of issue requests of one coupon, in order of arrival. It gives out one batch at a time.

use std::collections::VecDeque;
use std::time::Instant;

use actix::Message;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::answer::IssueError;
use crate::domain::{MemberId, Rejection, Traceparent, Verdict};
use crate::ports::MAX_BATCH;

pub(super) type Reply = Result<Verdict, IssueError>;

/// One issue request that waits for its verdict.
#[derive(Debug)]
pub(super) struct QueuedRequest {
    pub(super) member: MemberId,
    pub(super) traceparent: Option<Traceparent>,
    /// Dropped without an answer, it makes the handle send the request again.
    pub(super) reply: oneshot::Sender<Reply>,
    pub(super) deadline: Instant,
    /// Bounds the queue; released when the request is dropped, answered or not.
    pub(super) permit: OwnedSemaphorePermit,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct IssueCoupon(pub(super) QueuedRequest);

/// One batch at a time makes batches grow with the load, while a lone request is decided at once.
#[derive(Debug, Default)]
pub(super) struct BatchQueue {
    waiting: VecDeque<QueuedRequest>,
    in_flight: bool,
    /// Version of the gate against which the queue was last filtered.
    filtered_at: u64,
}

impl BatchQueue {
    pub(super) fn push(&mut self, request: QueuedRequest) {
        self.waiting.push_back(request);
    }

    /// The next batch, unless one is in flight or the queue is empty. Skips requests of clients that have gone.
    pub(super) fn next_batch(&mut self) -> Option<Vec<QueuedRequest>> {
        if self.in_flight {
            return None;
        }
        let mut batch = Vec::with_capacity(self.waiting.len().min(MAX_BATCH));
        while batch.len() < MAX_BATCH
            && let Some(request) = self.waiting.pop_front()
        {
            if !request.reply.is_closed() {
                batch.push(request);
            }
        }
        self.in_flight = !batch.is_empty();
        self.in_flight.then_some(batch)
    }

    /// Answers every request that `judge` rejects, so that a long queue learns of the sold-out coupon at once instead of
    /// batch by batch. Runs once for each version of the gate: filtering a long queue more often would cost too much.
    pub(super) fn reject(&mut self, gate_version: u64, judge: impl Fn(&MemberId) -> Option<Rejection>) {
        if std::mem::replace(&mut self.filtered_at, gate_version) == gate_version {
            return;
        }
        let keep = |request: QueuedRequest| match judge(&request.member) {
            Some(rejection) => {
                let _client_gone = request.reply.send(Ok(Verdict::Rejected(rejection)));
                None
            }
            None => Some(request),
        };
        self.waiting = std::mem::take(&mut self.waiting).into_iter().filter_map(keep).collect();
    }

    pub(super) fn batch_done(&mut self) {
        self.in_flight = false;
    }

    /// Answers the requests at the front that are past their deadline, so that a stuck engine cannot keep the queue full.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.waiting.front().is_some_and(|request| request.deadline <= now) {
            if let Some(request) = self.waiting.pop_front() {
                let _client_gone = request.reply.send(Err(IssueError::Overloaded));
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use tokio::sync::{Semaphore, oneshot};

    use super::{BatchQueue, IssueError, MAX_BATCH, MemberId, QueuedRequest, Rejection, Reply, Verdict};

    struct Clients {
        permits: Arc<Semaphore>,
        replies: Vec<oneshot::Receiver<Reply>>,
    }

    impl Clients {
        fn new() -> Self {
            Self { permits: Arc::new(Semaphore::new(1_000)), replies: Vec::new() }
        }

        fn request(&mut self, n: usize, deadline: Instant) -> QueuedRequest {
            let (reply, receiver) = oneshot::channel();
            self.replies.push(receiver);
            QueuedRequest {
                member: MemberId::parse(&format!("m{n}")).unwrap(),
                traceparent: None,
                reply,
                deadline,
                permit: Arc::clone(&self.permits).try_acquire_owned().unwrap(),
            }
        }
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn batches_keep_the_order_of_arrival_and_the_bound() {
        let (mut clients, mut queue) = (Clients::new(), BatchQueue::default());
        for n in 0..MAX_BATCH + 3 {
            queue.push(clients.request(n, later()));
        }
        let first = queue.next_batch().unwrap();
        assert_eq!(first.len(), MAX_BATCH);
        assert!(queue.next_batch().is_none(), "one batch at a time");
        queue.batch_done();
        let second: Vec<_> =
            queue.next_batch().unwrap().iter().map(|request| request.member.to_string()).collect();
        assert_eq!(second, ["m256", "m257", "m258"]);
    }

    #[test]
    fn an_empty_queue_makes_no_batch_and_does_not_block_the_next() {
        let (mut clients, mut queue) = (Clients::new(), BatchQueue::default());
        assert!(queue.next_batch().is_none());
        queue.push(clients.request(1, later()));
        assert!(queue.next_batch().is_some());
    }

    #[test]
    fn a_closed_gate_rejects_the_queue_except_possible_holders() {
        let (mut clients, mut queue) = (Clients::new(), BatchQueue::default());
        for n in 0..5 {
            queue.push(clients.request(n, later()));
        }
        queue.reject(0, |_| Some(Rejection::SoldOut));
        assert_eq!(queue.len(), 5, "the queue has been filtered against that version already");
        queue.reject(1, |member| (member.as_str() != "m3").then_some(Rejection::SoldOut));
        let left = queue.next_batch().unwrap();
        assert_eq!(left.iter().map(|request| request.member.as_str()).collect::<Vec<_>>(), ["m3"]);
        assert_eq!(clients.replies[0].try_recv().unwrap(), Ok(Verdict::Rejected(Rejection::SoldOut)));
        assert_eq!(clients.permits.available_permits(), 999, "only the remaining request holds a permit");
    }

    #[test]
    fn requests_of_clients_that_have_gone_are_skipped() {
        let (mut clients, mut queue) = (Clients::new(), BatchQueue::default());
        queue.push(clients.request(1, later()));
        clients.replies.clear();
        assert!(queue.next_batch().is_none());
        queue.push(clients.request(2, later()));
        assert_eq!(queue.next_batch().unwrap().len(), 1);
    }

    #[test]
    fn an_expired_request_is_answered_and_frees_its_permit() {
        let (mut clients, mut queue) = (Clients::new(), BatchQueue::default());
        let now = Instant::now();
        queue.push(clients.request(1, now));
        queue.push(clients.request(2, now + Duration::from_secs(60)));
        queue.expire(now);
        assert_eq!(queue.len(), 1);
        assert_eq!(clients.permits.available_permits(), 999);
        assert_eq!(clients.replies[0].try_recv().unwrap(), Err(IssueError::Overloaded));
    }
}
