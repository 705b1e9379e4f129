//! Permits that go to the most urgent task first: a coupon that is open now does not wait for thousands that are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::actors::issuing::CouponHandle;
use crate::clock;
use crate::domain::{Lifecycle, Sequence};
use crate::sync::Locked;

/// The order in which coupons are recovered: open ones first, and of them those with the fewest issuances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency {
    is_idle: bool,
    issued: Sequence,
}

impl Urgency {
    /// As far as this node knows the coupon: from the catalogue and the latest standing.
    pub(super) fn of(handle: &CouponHandle) -> Self {
        let (coupon, now) = (handle.coupon(), clock::now());
        let issued = handle.last_issued().max(coupon.inventory.issued());
        let is_open = coupon.lifecycle == Lifecycle::Active
            && !coupon.window.is_before(now)
            && !coupon.window.is_over(now)
            && issued < coupon.inventory.total();
        Self { is_idle: !is_open, issued }
    }
}

/// A bounded number of permits.
pub(super) struct PriorityPermits(Locked<Queue>);

struct Queue {
    free: usize,
    /// The arrival breaks ties.
    waiting: BTreeMap<(Urgency, u64), oneshot::Sender<Permit>>,
    arrivals: u64,
}

/// Returns the permit when it is dropped, also while it is on its way to a task that has given up.
pub(super) struct Permit(Option<Arc<PriorityPermits>>);

impl PriorityPermits {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Locked::new(Queue { free: count, waiting: BTreeMap::new(), arrivals: 0 })))
    }

    /// Waits for a permit, behind the tasks that are more urgent.
    pub(super) async fn acquire(self: &Arc<Self>, urgency: Urgency) -> Permit {
        let granted = {
            let mut queue = self.0.lock();
            if queue.free > 0 {
                queue.free -= 1;
                return Permit(Some(Arc::clone(self)));
            }
            let (sender, granted) = oneshot::channel();
            queue.arrivals += 1;
            let place = (urgency, queue.arrivals);
            queue.waiting.insert(place, sender);
            granted
        };
        // The queue, which this task keeps alive, drops no sender without a permit.
        granted.await.unwrap_or(Permit(None))
    }

    fn release(self: Arc<Self>) {
        loop {
            let next = {
                let mut queue = self.0.lock();
                let Some((_, next)) = queue.waiting.pop_first() else {
                    queue.free += 1;
                    return;
                };
                next
            };
            match next.send(Permit(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // That task has given up. Its permit must not be released a second time.
                Err(mut unclaimed) => unclaimed.0 = None,
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(permits) = self.0.take() {
            permits.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Locked, PriorityPermits, Urgency};

    const fn urgency(is_idle: bool, issued: u32) -> Urgency {
        Urgency { is_idle, issued }
    }

    #[tokio::test]
    async fn the_most_urgent_task_is_next_and_abandoned_ones_are_skipped() {
        let permits = PriorityPermits::new(1);
        let order = Arc::new(Locked::new(Vec::new()));
        let first = permits.acquire(urgency(true, 9)).await;
        let mut tasks = Vec::new();
        for waiting in [urgency(true, 1), urgency(false, 7), urgency(false, 2), urgency(false, 1)] {
            let (permits, order) = (Arc::clone(&permits), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _permit = permits.acquire(waiting).await;
                order.lock().push(waiting);
            }));
            tokio::task::yield_now().await;
        }
        let abandoned = tasks.pop().unwrap();
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [urgency(false, 2), urgency(false, 7), urgency(true, 1)]);
        let _free_again = permits.acquire(urgency(true, 1)).await;
    }
}
