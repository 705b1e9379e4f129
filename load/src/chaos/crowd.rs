//! The members: clients that click, click twice, ask again and look up, whatever happens to what they ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::task::JoinSet;

use super::asking::Asking;
use super::clock::Clock;
use super::history::{Call, History, Outcome};
use super::market::{Market, Stall};
use crate::rng::Rng;
use crate::target::Target;

/// How often a member asks until they give up, to be asked for again at the end of the run.
const ATTEMPTS: usize = 12;
/// The shortest and longest rest before the next attempt.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// Members that a client remembers, to ask for them again later.
const MEMORY: usize = 24;

/// What all clients and whoever directs them share.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) clock: Clock,
    pub(super) history: Arc<History>,
    pub(super) market: Market,
    pub(super) targets: Vec<Target>,
    pub(super) think: Duration,
    stopped: AtomicBool,
    /// Held by whoever asks, so that one can wait until nobody does.
    asking: RwLock<()>,
}

impl Crowd {
    pub(super) fn new(clock: Clock, history: Arc<History>, targets: Vec<Target>, think: Duration) -> Self {
        let (market, stopped, asking) = (Market::default(), AtomicBool::new(false), RwLock::new(()));
        Self { clock, history, market, targets, think, stopped, asking }
    }

    /// A way to ask under `client`'s name.
    pub(super) fn asking(&self, client: u32) -> Asking {
        Asking::new(client, self.clock.clone(), Arc::clone(&self.history), &self.targets)
    }

    /// Nobody begins anything any more.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until every question is answered; nobody asks as long as the guard is held.
    pub(super) async fn hush(&self) -> RwLockWriteGuard<'_, ()> {
        self.asking.write().await
    }
}

/// Starts `clients` of them, each with dice of its own.
pub(super) fn start(crowd: &Arc<Crowd>, clients: u32, seed: u64) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for number in 0..clients {
        let rng = Rng::new(seed ^ (u64::from(number) << 32 | 0xC11E));
        running.spawn(Client::new(Arc::clone(crowd), number, rng).run());
    }
    running
}

struct Client {
    crowd: Arc<Crowd>,
    number: u32,
    rng: Rng,
    first: Asking,
    second: Asking,
    members: u64,
    /// Members of the recent past, of whatever fate.
    memory: Vec<(Arc<Stall>, Arc<str>)>,
}

impl Client {
    fn new(crowd: Arc<Crowd>, number: u32, rng: Rng) -> Self {
        let (first, second) = (crowd.asking(number), crowd.asking(number));
        Self { crowd, number, rng, first, second, members: 0, memory: Vec::new() }
    }

    async fn run(mut self) {
        while !self.crowd.is_stopped() {
            self.turn().await;
            let rest = self.rng.between(self.crowd.think / 2, self.crowd.think * 3 / 2);
            tokio::time::sleep(rest).await;
        }
    }

    async fn turn(&mut self) {
        let old = self.rng.chance_percent(25).then(|| self.rng.pick(&self.memory).cloned()).flatten();
        if let Some((stall, member)) = old {
            let call = if self.rng.chance_percent(50) { Call::LookUp } else { Call::Issue };
            self.persist(call, &stall, &member).await;
            return;
        }
        let Some(stall) = self.crowd.market.any(&mut self.rng) else { return };
        let member: Arc<str> = format!("m{}-{}", self.number, self.members).into();
        self.members += 1;
        if self.rng.chance_percent(20) {
            self.click_twice(&stall, &member).await;
        }
        self.persist(Call::Issue, &stall, &member).await;
        if self.memory.len() < MEMORY {
            self.memory.push((stall, member));
        } else {
            let place = self.rng.below(MEMORY);
            self.memory[place] = (stall, member);
        }
    }

    /// Two clicks at the same moment, on two nodes where there are two.
    async fn click_twice(&mut self, stall: &Stall, member: &Arc<str>) {
        let here = self.rng.below(self.first.nodes());
        let there = (here + 1) % self.first.nodes();
        let (first, second) = (&mut self.first, &mut self.second);
        let _quiet = self.crowd.asking.read().await;
        tokio::join!(
            first.ask(here, Call::Issue, &stall.id, member),
            second.ask(there, Call::Issue, &stall.id, member)
        );
    }

    /// Asks, on one node and another, until there is an answer or patience is over.
    async fn persist(&mut self, call: Call, stall: &Stall, member: &Arc<str>) {
        let mut node = self.rng.below(self.first.nodes());
        for _ in 0..ATTEMPTS {
            let answer = {
                let _quiet = self.crowd.asking.read().await;
                self.first.ask(node, call, &stall.id, member).await
            };
            let (Outcome::Open(_), _) = answer else { return };
            if self.crowd.is_stopped() {
                return;
            }
            tokio::time::sleep(self.rng.between(AGAIN_AFTER.0, AGAIN_AFTER.1)).await;
            if self.rng.chance_percent(60) {
                node = (node + 1) % self.first.nodes();
            }
        }
    }
}
