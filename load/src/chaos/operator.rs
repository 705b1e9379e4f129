//! The operator: opens coupons while the run goes on, raises totals, holds coupons and lets them go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::RwLock;

use super::asking::Asking;
use super::crowd::Crowd;
use super::history::{Call, Outcome};
use super::market::Stall;
use crate::rng::Rng;

/// The operator's number in the history.
pub(super) const OPERATOR: u32 = 1_000_000;
/// Who asks for the scenario itself, to measure and to settle what stayed open.
pub(super) const STEWARD: u32 = 1_000_001;

/// The total of a coupon that does not sell out.
const LARGE: u32 = 5_000_000;
/// Small coupons in all. A node looks after all there are, and no shop has hundreds of them open.
const SMALL_MAX: u32 = 40;
const ROUND: Duration = Duration::from_millis(700);
/// How long a raise may take to be known to every node that can be reached. ARCHITECTURE.md names what may be answered
/// in that time and before; so no fault begins in it.
const RAISE_SETTLES: Duration = Duration::from_millis(600);
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How often a call is repeated that has to succeed.
const REPEATS: usize = 200;

/// What the operator works with.
pub(super) struct Operator {
    crowd: Arc<Crowd>,
    asking: Asking,
    rng: Rng,
    /// Held for writing while a fault touches Redis or a node.
    calm: Arc<RwLock<()>>,
    opened: u32,
}

impl Operator {
    pub(super) fn new(crowd: Arc<Crowd>, seed: u64, calm: Arc<RwLock<()>>) -> Self {
        let asking = crowd.asking(OPERATOR);
        Self { crowd, asking, rng: Rng::new(seed ^ 0x0b0e), calm, opened: 0 }
    }

    /// The coupons that are there from the beginning: the first is for measuring recovery. `false` if one of them could
    /// not be created.
    pub(super) async fn begin(&mut self) -> bool {
        let mut opened = true;
        for name in ["probe", "large-a", "large-b"] {
            opened &= self.open(name.into(), LARGE, true).await;
        }
        for _ in 0..3 {
            opened &= self.open_small().await;
        }
        opened
    }

    /// Goes on until the crowd is stopped; then everything that was held has been let go.
    pub(super) async fn run(mut self) {
        while !self.crowd.is_stopped() {
            match self.rng.below(10) {
                0..=1 => drop(self.open_small().await),
                2..=6 => self.raise().await,
                7..=8 => self.hold().await,
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
        let done = self.insist(Call::Create(total), &id).await;
        // Members ask for the first coupon only to see whether they can: nothing else must stand in their way.
        if done && &*id != "probe" {
            self.crowd.market.open(Stall::new(id, total, is_large));
        }
        done
    }

    async fn raise(&mut self) {
        let Some(stall) = self.crowd.market.any_small(&mut self.rng) else { return };
        let calm = Arc::clone(&self.calm);
        let Ok(_calm) = calm.try_read() else { return };
        let total = stall.total() + 5 + u32::try_from(self.rng.below(40)).unwrap_or(0);
        // A raise that nobody answered may still come to be; the next one is higher.
        stall.raised_to(total);
        let node = self.rng.below(self.asking.nodes());
        self.asking.ask(node, Call::Raise(total), &stall.id, &"".into()).await;
        tokio::time::sleep(RAISE_SETTLES).await;
    }

    async fn hold(&mut self) {
        let Some(stall) = self.crowd.market.any(&mut self.rng) else { return };
        let node = self.rng.below(self.asking.nodes());
        self.asking.ask(node, Call::Pause, &stall.id, &"".into()).await;
        tokio::time::sleep(self.rng.between(Duration::ZERO, ROUND)).await;
        self.insist(Call::Resume, &stall.id).await;
    }

    /// Repeats a call, on one node and another, until it is carried out.
    async fn insist(&mut self, call: Call, coupon: &Arc<str>) -> bool {
        for _ in 0..REPEATS {
            let node = self.rng.below(self.asking.nodes());
            match self.asking.ask(node, call, coupon, &"".into()).await.0 {
                Outcome::Done => return true,
                Outcome::Unexpected(_) => return false,
                _ => tokio::time::sleep(AGAIN_AFTER).await,
            }
        }
        false
    }
}
