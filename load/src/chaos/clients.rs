//! The members: clients that request, double-click, retry and look up, regardless of the outcomes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::task::JoinSet;

use super::clock::Clock;
use super::coupons::{Coupons, OfferedCoupon};
use super::history::{Call, History, Outcome};
use super::requester::Requester;
use crate::rng::Rng;
use crate::target::Target;

/// Attempts for one member; a member without an answer is requested again at the end of the run.
const ATTEMPTS: usize = 12;
/// Bounds of the pause before the next attempt.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// Members that a client remembers for later requests.
const MEMORY: usize = 24;

/// State shared by all clients, the operator and the faults.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) clock: Clock,
    pub(super) history: Arc<History>,
    pub(super) coupons: Coupons,
    pub(super) targets: Vec<Target>,
    pub(super) think: Duration,
    stopped: AtomicBool,
    /// Read-locked during each request, so that a writer can wait until none is open.
    open_requests: RwLock<()>,
}

impl Clients {
    pub(super) fn new(clock: Clock, history: Arc<History>, targets: Vec<Target>, think: Duration) -> Self {
        let (coupons, stopped, open_requests) = (Coupons::default(), AtomicBool::new(false), RwLock::new(()));
        Self { clock, history, coupons, targets, think, stopped, open_requests }
    }

    /// A requester that records under this client's number.
    pub(super) fn requester(&self, client: u32) -> Requester {
        Requester::new(client, self.clock.clone(), Arc::clone(&self.history), &self.targets)
    }

    /// Tells all clients to end.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until every request is answered, and blocks new ones as long as the guard is held.
    pub(super) async fn block_requests(&self) -> RwLockWriteGuard<'_, ()> {
        self.open_requests.write().await
    }
}

/// Starts `count` tasks, each with a random generator of its own.
pub(super) fn start(clients: &Arc<Clients>, count: u32, seed: u64) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for number in 0..count {
        let rng = Rng::new(seed ^ (u64::from(number) << 32 | 0xC11E));
        running.spawn(Client::new(Arc::clone(clients), number, rng).run());
    }
    running
}

struct Client {
    clients: Arc<Clients>,
    number: u32,
    rng: Rng,
    first: Requester,
    second: Requester,
    members: u64,
    /// Earlier members, with or without a coupon.
    memory: Vec<(Arc<OfferedCoupon>, Arc<str>)>,
}

impl Client {
    fn new(clients: Arc<Clients>, number: u32, rng: Rng) -> Self {
        let (first, second) = (clients.requester(number), clients.requester(number));
        Self { clients, number, rng, first, second, members: 0, memory: Vec::new() }
    }

    async fn run(mut self) {
        while !self.clients.is_stopped() {
            self.act().await;
            let rest = self.rng.between(self.clients.think / 2, self.clients.think * 3 / 2);
            tokio::time::sleep(rest).await;
        }
    }

    async fn act(&mut self) {
        let old = self.rng.chance_percent(25).then(|| self.rng.pick(&self.memory).cloned()).flatten();
        if let Some((coupon, member)) = old {
            let call = if self.rng.chance_percent(50) { Call::LookUp } else { Call::Issue };
            self.request_until_answered(call, &coupon, &member).await;
            return;
        }
        let Some(coupon) = self.clients.coupons.any(&mut self.rng) else { return };
        let member: Arc<str> = format!("m{}-{}", self.number, self.members).into();
        self.members += 1;
        if self.rng.chance_percent(20) {
            self.click_twice(&coupon, &member).await;
        }
        self.request_until_answered(Call::Issue, &coupon, &member).await;
        if self.memory.len() < MEMORY {
            self.memory.push((coupon, member));
        } else {
            let index = self.rng.below(MEMORY);
            self.memory[index] = (coupon, member);
        }
    }

    /// Two requests at the same time, on different nodes if there are several.
    async fn click_twice(&mut self, coupon: &OfferedCoupon, member: &Arc<str>) {
        let first_node = self.rng.below(self.first.nodes());
        let second_node = (first_node + 1) % self.first.nodes();
        let (first, second) = (&mut self.first, &mut self.second);
        let _open = self.clients.open_requests.read().await;
        tokio::join!(
            first.send(first_node, Call::Issue, &coupon.id, member),
            second.send(second_node, Call::Issue, &coupon.id, member)
        );
    }

    /// Requests until there is an answer or all attempts are used, on the same node or the next.
    async fn request_until_answered(&mut self, call: Call, coupon: &OfferedCoupon, member: &Arc<str>) {
        let mut node = self.rng.below(self.first.nodes());
        for _ in 0..ATTEMPTS {
            let answer = {
                let _open = self.clients.open_requests.read().await;
                self.first.send(node, call, &coupon.id, member).await
            };
            let (Outcome::Unknown(_), _) = answer else { return };
            if self.clients.is_stopped() {
                return;
            }
            tokio::time::sleep(self.rng.between(RETRY_AFTER.0, RETRY_AFTER.1)).await;
            if self.rng.chance_percent(60) {
                node = (node + 1) % self.first.nodes();
            }
        }
    }
}
