//! Requests in order of arrival, and the one batch that is under way.

use std::collections::VecDeque;
use std::time::Instant;

use actix::Message;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::answer::AskError;
use crate::domain::{MemberId, Rejection, Traceparent, Verdict};
use crate::ports::MAX_BATCH;

/// The engine's word on one member, on its way back.
pub(super) type Reply = Result<Verdict, AskError>;

/// One member who waits.
#[derive(Debug)]
pub(super) struct Ask {
    /// Who.
    pub(super) member: MemberId,
    /// The trace of the request.
    pub(super) traceparent: Option<Traceparent>,
    /// Where the answer goes. When it is dropped unanswered, the asker asks again.
    pub(super) reply: oneshot::Sender<Reply>,
    /// When the asker stops waiting.
    pub(super) deadline: Instant,
    /// The place in the queue; it is free again when the ask is gone, however it went.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Asks the coupon's actor for a coupon.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct IssueCoupon(pub(super) Ask);

/// A queue that gives out one batch at a time: under load batches grow by themselves, at rest nobody waits.
#[derive(Debug, Default)]
pub(super) struct BatchQueue {
    waiting: VecDeque<Ask>,
    in_flight: bool,
    /// By which change of the gate everybody here has been judged, or came after it.
    judged_at: u64,
}

impl BatchQueue {
    /// Puts one at the end.
    pub(super) fn push(&mut self, ask: Ask) {
        self.waiting.push_back(ask);
    }

    /// The next batch, unless one is under way or nobody waits. Askers who have gone are left out.
    pub(super) fn next_batch(&mut self) -> Option<Vec<Ask>> {
        if self.in_flight {
            return None;
        }
        let mut batch = Vec::with_capacity(self.waiting.len().min(MAX_BATCH));
        while batch.len() < MAX_BATCH
            && let Some(ask) = self.waiting.pop_front()
        {
            if !ask.reply.is_closed() {
                batch.push(ask);
            }
        }
        self.in_flight = !batch.is_empty();
        self.in_flight.then_some(batch)
    }

    /// Answers everybody whom `judge` turns away, so that a crowd which waits when the last coupon goes hears it at once
    /// instead of batch by batch. Once for each change of the gate is enough, and all that a long queue can bear.
    pub(super) fn turn_away(&mut self, change: u64, judge: impl Fn(&MemberId) -> Option<Rejection>) {
        if std::mem::replace(&mut self.judged_at, change) == change {
            return;
        }
        let stay = |ask: Ask| match judge(&ask.member) {
            Some(rejection) => {
                // The asker may have gone by itself at the same moment.
                let _gone = ask.reply.send(Ok(Verdict::Rejected(rejection)));
                None
            }
            None => Some(ask),
        };
        self.waiting = std::mem::take(&mut self.waiting).into_iter().filter_map(stay).collect();
    }

    /// Says that the batch under way is over.
    pub(super) fn batch_done(&mut self) {
        self.in_flight = false;
    }

    /// Answers those whose time is up, so that a stuck engine cannot fill the queue for good.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.waiting.front().is_some_and(|ask| ask.deadline <= now) {
            if let Some(ask) = self.waiting.pop_front() {
                // The asker may have gone by itself at the same moment.
                let _gone = ask.reply.send(Err(AskError::Overloaded));
            }
        }
    }

    /// How many wait.
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

    use super::{Ask, AskError, BatchQueue, MAX_BATCH, MemberId, Rejection, Reply, Verdict};

    struct Askers {
        permits: Arc<Semaphore>,
        replies: Vec<oneshot::Receiver<Reply>>,
    }

    impl Askers {
        fn new() -> Self {
            Self { permits: Arc::new(Semaphore::new(1_000)), replies: Vec::new() }
        }

        fn ask(&mut self, n: usize, deadline: Instant) -> Ask {
            let (reply, receiver) = oneshot::channel();
            self.replies.push(receiver);
            Ask {
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
        let (mut askers, mut queue) = (Askers::new(), BatchQueue::default());
        for n in 0..MAX_BATCH + 3 {
            queue.push(askers.ask(n, later()));
        }
        let first = queue.next_batch().unwrap();
        assert_eq!(first.len(), MAX_BATCH);
        assert!(queue.next_batch().is_none(), "one batch at a time");
        queue.batch_done();
        let second: Vec<_> = queue.next_batch().unwrap().iter().map(|ask| ask.member.to_string()).collect();
        assert_eq!(second, ["m256", "m257", "m258"]);
    }

    #[test]
    fn nobody_waiting_makes_no_batch_and_leaves_the_way_free() {
        let (mut askers, mut queue) = (Askers::new(), BatchQueue::default());
        assert!(queue.next_batch().is_none());
        queue.push(askers.ask(1, later()));
        assert!(queue.next_batch().is_some());
    }

    #[test]
    fn a_crowd_is_turned_away_but_for_those_who_may_hold_one() {
        let (mut askers, mut queue) = (Askers::new(), BatchQueue::default());
        for n in 0..5 {
            queue.push(askers.ask(n, later()));
        }
        queue.turn_away(0, |_| Some(Rejection::SoldOut));
        assert_eq!(queue.len(), 5, "they have been judged by that already");
        queue.turn_away(1, |member| (member.as_str() != "m3").then_some(Rejection::SoldOut));
        let left = queue.next_batch().unwrap();
        assert_eq!(left.iter().map(|ask| ask.member.as_str()).collect::<Vec<_>>(), ["m3"]);
        assert_eq!(askers.replies[0].try_recv().unwrap(), Ok(Verdict::Rejected(Rejection::SoldOut)));
        assert_eq!(askers.permits.available_permits(), 999, "only who is still asked for holds a place");
    }

    #[test]
    fn those_who_have_gone_are_not_asked_for() {
        let (mut askers, mut queue) = (Askers::new(), BatchQueue::default());
        queue.push(askers.ask(1, later()));
        askers.replies.clear();
        assert!(queue.next_batch().is_none());
        queue.push(askers.ask(2, later()));
        assert_eq!(queue.next_batch().unwrap().len(), 1);
    }

    #[test]
    fn whose_time_is_up_is_told_and_frees_the_place() {
        let (mut askers, mut queue) = (Askers::new(), BatchQueue::default());
        let now = Instant::now();
        queue.push(askers.ask(1, now));
        queue.push(askers.ask(2, now + Duration::from_secs(60)));
        queue.expire(now);
        assert_eq!(queue.len(), 1);
        assert_eq!(askers.permits.available_permits(), 999);
        assert_eq!(askers.replies[0].try_recv().unwrap(), Err(AskError::Overloaded));
    }
}
