//! The operator: creates coupons during the run, raises totals, pauses and resumes coupons.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::RwLock;

use super::clients::Clients;
use super::coupons::OfferedCoupon;
use super::history::{Call, Outcome};
use super::requester::Requester;
use crate::rng::Rng;

/// Client number of the operator in the history.
pub(super) const OPERATOR: u32 = 1_000_000;
/// Client number of the scenario itself, which measures recoveries and requests again at the end.
pub(super) const SCENARIO: u32 = 1_000_001;

/// Total of a coupon that does not sell out.
const LARGE: u32 = 5_000_000;
/// Upper limit of small coupons. A node watches all of them, and no shop has hundreds open.
const SMALL_MAX: u32 = 40;
const ROUND: Duration = Duration::from_millis(700);
/// Time in which every reachable node learns about a raise. ARCHITECTURE.md describes the answers within that time; no
/// fault begins in it.
const RAISE_PROPAGATES: Duration = Duration::from_millis(600);
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Attempts of a call that has to succeed.
const REPEATS: usize = 200;

pub(super) struct Operator {
    clients: Arc<Clients>,
    requester: Requester,
    rng: Rng,
    /// Write-locked while a fault affects Redis or a node.
    calm: Arc<RwLock<()>>,
    opened: u32,
}

impl Operator {
    pub(super) fn new(clients: Arc<Clients>, seed: u64, calm: Arc<RwLock<()>>) -> Self {
        let requester = clients.requester(OPERATOR);
        Self { clients, requester, rng: Rng::new(seed ^ 0x0b0e), calm, opened: 0 }
    }

    /// Creates the initial coupons, the first of them for measuring recoveries. Returns whether all were created.
    pub(super) async fn create_first(&mut self) -> bool {
        let mut opened = true;
        for name in ["probe", "large-a", "large-b"] {
            opened &= self.open(name.into(), LARGE, true).await;
        }
        for _ in 0..3 {
            opened &= self.open_small().await;
        }
        opened
    }

    /// Runs until the clients are stopped; every paused coupon is resumed then.
    pub(super) async fn run(mut self) {
        while !self.clients.is_stopped() {
            match self.rng.below(10) {
                0..=1 => drop(self.open_small().await),
                2..=6 => self.raise().await,
                7..=8 => self.pause_and_resume().await,
                _ => {}
            }
            tokio::time::sleep(self.rng.between(ROUND / 2, ROUND * 3 / 2)).await;
        }
    }

    async fn open_small(&mut self) -> bool {
        if self.opened >= SMALL_MAX {
            return true;
        }
        self.opened += 1;
        let total = 10 + u32::try_from(self.rng.below(150)).unwrap_or(0);
        self.open(format!("small-{}", self.opened).into(), total, false).await
    }

    async fn open(&mut self, id: Arc<str>, total: u32, is_large: bool) -> bool {
        let done = self.call_until_done(Call::Create(total), &id).await;
        // Only the scenario requests the first coupon, so that nothing else affects its answers.
        if done && &*id != "probe" {
            self.clients.coupons.open(OfferedCoupon::new(id, total, is_large));
        }
        done
    }

    async fn raise(&mut self) {
        let Some(coupon) = self.clients.coupons.any_small(&mut self.rng) else { return };
        let calm = Arc::clone(&self.calm);
        let Ok(_calm) = calm.try_read() else { return };
        let total = coupon.total() + 5 + u32::try_from(self.rng.below(40)).unwrap_or(0);
        // An unanswered raise may still be applied, so the next one is higher.
        coupon.raised_to(total);
        let node = self.rng.below(self.requester.nodes());
        self.requester.send(node, Call::Raise(total), &coupon.id, &"".into()).await;
        tokio::time::sleep(RAISE_PROPAGATES).await;
    }

    async fn pause_and_resume(&mut self) {
        let Some(coupon) = self.clients.coupons.any(&mut self.rng) else { return };
        let node = self.rng.below(self.requester.nodes());
        self.requester.send(node, Call::Pause, &coupon.id, &"".into()).await;
        tokio::time::sleep(self.rng.between(Duration::ZERO, ROUND)).await;
        self.call_until_done(Call::Resume, &coupon.id).await;
    }

    /// Repeats a call, on the same node or another, until it succeeds.
    async fn call_until_done(&mut self, call: Call, coupon: &Arc<str>) -> bool {
        for _ in 0..REPEATS {
            let node = self.rng.below(self.requester.nodes());
            match self.requester.send(node, call, coupon, &"".into()).await.0 {
                Outcome::Done => return true,
                Outcome::Unexpected(_) => return false,
                _ => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
        false
    }
}
