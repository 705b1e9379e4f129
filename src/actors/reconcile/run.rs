//! One run: compares all coupons, or one, and repairs safe differences.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::comparison::{CouponComparison, Watch};
use super::repair::repair;
use super::report::{CouponReport, DriftKind, DriftReport};
use super::sources::{CompareError, ReconcileDeps, ReconcileError, bounded};
use crate::domain::{Coupon, CouponId};
use crate::ports::{CatalogError, CatalogPage};
use crate::telemetry::Metrics;

/// The time that an issuance has until it must have a row.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
const CATALOG_PAGE: u32 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairMode {
    ReportOnly,
    /// Repairs differences with a certainly safe remedy.
    Repair,
}

/// Compares, repairs and reports; one run at a time. Cheap to clone.
#[derive(Clone)]
pub struct Reconciler {
    deps: ReconcileDeps,
    metrics: Arc<Metrics>,
    one_at_a_time: Arc<Mutex<()>>,
}

impl Reconciler {
    #[must_use]
    pub fn new(deps: ReconcileDeps, metrics: Arc<Metrics>) -> Self {
        Self { deps, metrics, one_at_a_time: Arc::default() }
    }

    /// Compares all coupons, or `only` one.
    ///
    /// # Errors
    /// [`ReconcileError`] if a source does not answer; repairs made before that stay.
    pub async fn run(
        &self,
        only: Option<&CouponId>,
        mode: RepairMode,
        watch: &mut dyn Watch,
    ) -> Result<DriftReport, ReconcileError> {
        let _guard = self.one_at_a_time.try_lock().map_err(|_| ReconcileError::Busy)?;
        let mut report = DriftReport::default();
        let catalog = self.deps.coupons(only).await?;
        for coupon in &catalog.coupons {
            let mut compared = CouponComparison::new(&self.deps, coupon, SETTLED_AFTER).run(watch).await?;
            if mode == RepairMode::Repair {
                repair(&self.deps, &coupon.id, &mut compared).await;
            }
            report.add(compared);
        }
        if only.is_none() {
            self.deps.uncomparable(&catalog).await?.into_iter().for_each(|coupon| report.add(coupon));
        }
        self.record(&report, only.is_none());
        Ok(report)
    }

    /// Clears this node's metrics of a whole run: another node runs from now on.
    pub(super) fn clear_metrics(&self) {
        self.metrics.reconciled.clear_drift();
    }

    fn record(&self, report: &DriftReport, is_whole: bool) {
        if is_whole {
            for kind in DriftKind::ALL {
                self.metrics.reconciled.remaining(kind.as_str(), report.remaining(kind) as u64);
            }
            self.metrics.reconciled.run_ended();
        }
        self.metrics.reconciled.repaired.inc_by(report.repaired);
        if report.repaired + report.unrepaired > 0 {
            let (repaired, unrepaired) = (report.repaired, report.unrepaired);
            let first = report.coupons.iter().find_map(|coupon| Some((coupon, coupon.findings.first()?)));
            let first =
                first.map(|(coupon, finding)| format!("{}: {}", coupon.coupon_id, finding.sentence()));
            let first = first.unwrap_or_default();
            tracing::warn!(repaired, unrepaired, %first, "engine, outbox and database disagree");
        }
    }
}

impl ReconcileDeps {
    /// All coupons of the catalogue, or `only` one.
    pub(super) async fn coupons(&self, only: Option<&CouponId>) -> Result<CatalogPage, ReconcileError> {
        if let Some(id) = only {
            return match bounded(self.catalog.find(id)).await {
                Ok(coupon) => Ok(CatalogPage { coupons: vec![coupon], ..CatalogPage::default() }),
                Err(CatalogError::Missing) => Err(ReconcileError::NoSuchCoupon(id.clone())),
                Err(error) => Err(CompareError::from(error).into()),
            };
        }
        let mut all = CatalogPage::default();
        loop {
            let page = bounded(self.catalog.list(all.next.as_deref(), CATALOG_PAGE)).await;
            let page = page.map_err(CompareError::from)?;
            all.coupons.extend(page.coupons);
            all.unreadable.extend(page.unreadable);
            all.next = page.next;
            if all.next.is_none() {
                return Ok(all);
            }
        }
    }

    /// Compares one coupon without a time for delivery, and changes nothing.
    pub(super) async fn compare_at_rest(
        &self,
        coupon: &Coupon,
        watch: &mut dyn Watch,
    ) -> Result<CouponReport, ReconcileError> {
        CouponComparison::new(self, coupon, Duration::ZERO).run(watch).await
    }
}
