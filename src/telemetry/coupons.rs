//! The metrics of each coupon. The number of coupons with series is bounded, because Prometheus stores every series.

use std::collections::HashMap;

use prometheus::{GaugeVec, IntGauge, IntGaugeVec};

use super::metric_registrar::{MetricRegistrar, gauge_value};
use crate::domain::{CouponState, Inventory};
use crate::sync::Locked;

/// Coupons that have series of their own.
pub const COUPONS_MAX: usize = 200;

/// The states of a gate; `None` while the engine is being recovered.
const STATES: [Option<CouponState>; 6] = [
    Some(CouponState::Open),
    Some(CouponState::NotOpen),
    Some(CouponState::SoldOut),
    Some(CouponState::Paused),
    Some(CouponState::Closed),
    None,
];

fn label(state: Option<CouponState>) -> &'static str {
    state.map_or("recovering", CouponState::as_str)
}

/// The state of a coupon on this node.
#[derive(Debug, Clone, Copy)]
pub struct CouponSample {
    /// The state of the gate; `None` while the engine is being recovered.
    pub gate: Option<CouponState>,
    /// Whether the gate rejects members without asking the engine.
    pub is_halted: bool,
    /// The inventory in the engine's last answer, if there was one.
    pub inventory: Option<Inventory>,
}

impl CouponSample {
    /// Priority for series: higher for coupons that may still change.
    fn rank(&self) -> u8 {
        match self.gate {
            Some(CouponState::Closed) => 0,
            Some(CouponState::SoldOut) => 1,
            _ => 2,
        }
    }
}

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
    /// The coupons with series, each with its last rank.
    listed: Locked<HashMap<String, u8>>,
}

impl CouponGauges {
    pub(super) fn new(add: &MetricRegistrar<'_>) -> Self {
        let coupon = &["coupon"];
        Self {
            stock: add.gauges("coupons_stock", "Total of the coupon, in the engine's last answer", coupon),
            issued: add.gauges("coupons_issued", "Coupons issued, in the engine's last answer", coupon),
            remaining: add.gauges("coupons_remaining", "Coupons left, in the engine's last answer", coupon),
            halted: add.gauges(
                "gate_halted",
                "1 if this node rejects members without asking the engine",
                coupon,
            ),
            state: add.gauges(
                "gate_state",
                "1 for the present state of the coupon's gate on this node",
                &["coupon", "state"],
            ),
            outbox_depth: add.gauges(
                "outbox_depth",
                "Issuances in the outbox: not yet known to be in the database",
                coupon,
            ),
            outbox_age: add.float_gauges(
                "outbox_age_seconds",
                "Age of the oldest issuance in the outbox, by the engine's clock; 0 if it is empty",
                coupon,
            ),
            unlisted: add.gauge("coupons_unlisted", "Coupons beyond the limit, without series of their own"),
            listed: Locked::default(),
        }
    }

    /// Sets the series of a coupon; false if it has none, because of the limit.
    pub fn record(&self, coupon: &str, sample: &CouponSample) -> bool {
        if !self.list(coupon, sample.rank()) {
            return false;
        }
        let labels = &[coupon];
        if let Some(inventory) = sample.inventory {
            self.stock.with_label_values(labels).set(inventory.total().into());
            self.issued.with_label_values(labels).set(inventory.issued().into());
            self.remaining.with_label_values(labels).set(inventory.remaining().into());
        }
        self.halted.with_label_values(labels).set(sample.is_halted.into());
        for state in STATES {
            self.state.with_label_values(&[coupon, label(state)]).set((state == sample.gate).into());
        }
        true
    }

    /// Sets depth of the outbox and age of its oldest entry, if the coupon has series.
    pub fn record_outbox(&self, coupon: &str, depth: u64, age_seconds: f64) {
        if self.listed.lock().contains_key(coupon) {
            self.outbox_depth.with_label_values(&[coupon]).set(gauge_value(depth));
            self.outbox_age.with_label_values(&[coupon]).set(age_seconds);
        }
    }

    pub fn record_unlisted(&self, count: usize) {
        self.unlisted.set(gauge_value(count));
    }

    /// Gives a coupon series, if necessary those of a coupon with a lower rank.
    fn list(&self, coupon: &str, rank: u8) -> bool {
        let mut listed = self.listed.lock();
        if let Some(known) = listed.get_mut(coupon) {
            *known = rank;
            return true;
        }
        if listed.len() >= COUPONS_MAX {
            let least = listed.iter().min_by_key(|(_, rank)| **rank);
            let Some((least, _)) = least.filter(|(_, least)| **least < rank) else { return false };
            let least = least.clone();
            listed.remove(&least);
            self.remove_series(&least);
        }
        listed.insert(coupon.to_owned(), rank);
        true
    }

    fn remove_series(&self, coupon: &str) {
        // Removing a series that was never set is an error without consequence.
        for gauges in [&self.stock, &self.issued, &self.remaining, &self.halted, &self.outbox_depth] {
            gauges.remove_label_values(&[coupon]).ok();
        }
        self.outbox_age.remove_label_values(&[coupon]).ok();
        for state in STATES {
            self.state.remove_label_values(&[coupon, label(state)]).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder as _, Registry, TextEncoder};

    use super::{COUPONS_MAX, CouponGauges, CouponSample, CouponState, Inventory, MetricRegistrar};

    fn sample(gate: CouponState) -> CouponSample {
        let inventory = Inventory::with_issued(5, 2).ok();
        CouponSample { gate: Some(gate), is_halted: gate != CouponState::Open, inventory }
    }

    fn text(registry: &Registry) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_coupon_has_its_inventory_and_one_state() {
        let registry = Registry::new();
        let gauges = CouponGauges::new(&MetricRegistrar(&registry));
        assert!(gauges.record("drop", &sample(CouponState::Open)));
        assert!(gauges.record("drop", &CouponSample { gate: None, ..sample(CouponState::Open) }));
        gauges.record_outbox("drop", 2, 1.5);
        gauges.record_outbox("unlisted", 9, 9.0);
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
        assert!(!text.contains("coupon=\"unlisted\""), "{text}");
    }

    #[test]
    fn the_number_of_coupons_with_series_is_bounded_and_closed_ones_lose_theirs_first() {
        let registry = Registry::new();
        let gauges = CouponGauges::new(&MetricRegistrar(&registry));
        for number in 0..COUPONS_MAX {
            let gate = if number == 7 { CouponState::Closed } else { CouponState::SoldOut };
            assert!(gauges.record(&format!("c{number}"), &sample(gate)));
        }
        let closed = sample(CouponState::Closed);
        assert!(!gauges.record("another-closed", &closed), "its rank is no higher than that of any other");
        assert!(gauges.record("new", &sample(CouponState::Open)));
        assert!(!gauges.record("c7", &closed), "the new coupon has its series");
        let text = text(&registry);
        assert!(!text.contains("coupon=\"c7\""), "its series are removed");
        assert_eq!(text.matches("openrun_coupons_stock{").count(), COUPONS_MAX);
    }
}
