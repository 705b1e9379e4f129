//! How each coupon stands, with a bound on how many have series of their own: whoever scrapes keeps every one of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::{GaugeVec, IntGauge, IntGaugeVec};

use super::metric_registrar::MetricRegistrar;
use crate::domain::Inventory;

/// Coupons that have series of their own.
pub const COUPONS_MAX: usize = 200;

/// The words for a gate's state.
const STATES: [&str; 6] = ["open", "not_open", "sold_out", "paused", "closed", "recovering"];

/// How a coupon stands on this node.
#[derive(Debug, Clone, Copy)]
pub struct CouponSample {
    /// The word for its gate's state.
    pub gate: &'static str,
    /// Whether this node turns members away by itself.
    pub is_halted: bool,
    /// What the engine last said of its stock, if it has said anything yet.
    pub inventory: Option<Inventory>,
}

impl CouponSample {
    /// Whose series are worth more: those of a coupon for which something may still happen.
    fn rank(&self) -> u8 {
        match self.gate {
            "closed" => 0,
            "sold_out" => 1,
            _ => 2,
        }
    }
}

/// The series of coupons.
#[derive(Debug)]
pub struct CouponGauges {
    stock: IntGaugeVec,
    issued: IntGaugeVec,
    remaining: IntGaugeVec,
    halted: IntGaugeVec,
    state: IntGaugeVec,
    outbox_depth: IntGaugeVec,
    outbox_age: GaugeVec,
    unlisted: IntGauge,
    /// Those that have series, and what each was last worth.
    listed: Mutex<HashMap<String, u8>>,
}

impl CouponGauges {
    pub(super) fn new(add: &MetricRegistrar<'_>) -> Self {
        let coupon = &["coupon"];
        Self {
            stock: add.gauges("coupons_stock", "Coupons there are in all, as last seen", coupon),
            issued: add.gauges("coupons_issued", "Coupons issued, as last seen", coupon),
            remaining: add.gauges("coupons_remaining", "Coupons left, as last seen", coupon),
            halted: add.gauges("gate_halted", "1 where this node turns members away by itself", coupon),
            state: add.gauges(
                "gate_state",
                "1 for the state that the coupon's gate is in on this node",
                &["coupon", "state"],
            ),
            outbox_depth: add.gauges(
                "outbox_depth",
                "Issuances in the outbox: not yet known to be in the database",
                coupon,
            ),
            outbox_age: add.measures(
                "outbox_age_seconds",
                "Age of the oldest issuance in the outbox, by the engine's clock; 0 if it is empty",
                coupon,
            ),
            unlisted: add.gauge("coupons_unlisted", "Coupons without series of their own, for want of room"),
            listed: Mutex::default(),
        }
    }

    /// Notes how a coupon stands; whether it has series of its own.
    pub fn seen(&self, coupon: &str, look: &CouponSample) -> bool {
        if !self.takes_place(coupon, look.rank()) {
            return false;
        }
        let label = &[coupon];
        if let Some(inventory) = look.inventory {
            self.stock.with_label_values(label).set(inventory.total().into());
            self.issued.with_label_values(label).set(inventory.issued().into());
            self.remaining.with_label_values(label).set(inventory.remaining().into());
        }
        self.halted.with_label_values(label).set(look.is_halted.into());
        for state in STATES {
            self.state.with_label_values(&[coupon, state]).set((state == look.gate).into());
        }
        true
    }

    /// Notes how many entries the outbox of a coupon with series holds, and how old the oldest is.
    pub fn outbox_seen(&self, coupon: &str, depth: u64, age_seconds: f64) {
        if self.listed().contains_key(coupon) {
            let depth = i64::try_from(depth).unwrap_or(i64::MAX);
            self.outbox_depth.with_label_values(&[coupon]).set(depth);
            self.outbox_age.with_label_values(&[coupon]).set(age_seconds);
        }
    }

    /// Notes how many coupons have no series.
    pub fn unlisted(&self, count: usize) {
        self.unlisted.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn listed(&self) -> MutexGuard<'_, HashMap<String, u8>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a coupon series if there is room, or if another's are worth less.
    fn takes_place(&self, coupon: &str, rank: u8) -> bool {
        let mut listed = self.listed();
        if let Some(known) = listed.get_mut(coupon) {
            *known = rank;
            return true;
        }
        if listed.len() >= COUPONS_MAX {
            let least = listed.iter().min_by_key(|(_, rank)| **rank);
            let Some((least, _)) = least.filter(|(_, least)| **least < rank) else { return false };
            let least = least.clone();
            listed.remove(&least);
            self.forget(&least);
        }
        listed.insert(coupon.to_owned(), rank);
        true
    }

    fn forget(&self, coupon: &str) {
        for gauges in [&self.stock, &self.issued, &self.remaining, &self.halted, &self.outbox_depth] {
            // Not all of them have been set.
            gauges.remove_label_values(&[coupon]).ok();
        }
        self.outbox_age.remove_label_values(&[coupon]).ok();
        for state in STATES {
            self.state.remove_label_values(&[coupon, state]).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder as _, Registry, TextEncoder};

    use super::{COUPONS_MAX, CouponGauges, CouponSample, Inventory, MetricRegistrar};

    fn look(gate: &'static str) -> CouponSample {
        let inventory = Inventory::with_issued(5, 2).ok();
        CouponSample { gate, is_halted: gate != "open", inventory }
    }

    fn text(registry: &Registry) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_coupon_has_its_stock_and_one_state() {
        let registry = Registry::new();
        let gauges = CouponGauges::new(&MetricRegistrar(&registry));
        assert!(gauges.seen("drop", &look("open")));
        assert!(gauges.seen("drop", &look("recovering")));
        gauges.outbox_seen("drop", 2, 1.5);
        gauges.outbox_seen("nobody", 9, 9.0);
        let text = text(&registry);
        for line in [
            "openrun_coupons_stock{coupon=\"drop\"} 5",
            "openrun_coupons_issued{coupon=\"drop\"} 2",
            "openrun_coupons_remaining{coupon=\"drop\"} 3",
            "openrun_gate_state{coupon=\"drop\",state=\"recovering\"} 1",
            "openrun_gate_state{coupon=\"drop\",state=\"open\"} 0",
            "openrun_outbox_depth{coupon=\"drop\"} 2",
            "openrun_outbox_age_seconds{coupon=\"drop\"} 1.5",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("nobody"), "{text}");
    }

    #[test]
    fn only_so_many_coupons_have_series_and_those_that_are_over_go_first() {
        let registry = Registry::new();
        let gauges = CouponGauges::new(&MetricRegistrar(&registry));
        for number in 0..COUPONS_MAX {
            let gate = if number == 7 { "closed" } else { "sold_out" };
            assert!(gauges.seen(&format!("c{number}"), &look(gate)));
        }
        assert!(!gauges.seen("another-closed", &look("closed")), "it is worth no more than the others");
        assert!(gauges.seen("new", &look("open")));
        assert!(!gauges.seen("c7", &look("closed")), "it had to go");
        let text = text(&registry);
        assert!(!text.contains("coupon=\"c7\""), "nothing of it is left");
        assert_eq!(text.matches("openrun_coupons_stock{").count(), COUPONS_MAX);
    }
}
