//! One run through all coupons, or through one of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::comparison::CouponComparison;
use super::repair::repair;
use super::report::{CouponReport, DriftKind, DriftReport};
use super::sources::{ReconcileDeps, ReconcileError, Stop, within};
use super::watch::Watch;
use crate::domain::{Coupon, CouponId};
use crate::ports::{CatalogError, CatalogPage};
use crate::telemetry::Metrics;

/// For how long what is issued may be on its way before its absence counts.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// Coupons read from the catalogue at a time.
const CATALOG_PAGE: u32 = 500;

/// What is done about what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairMode {
    /// It is told only.
    ReportOnly,
    /// What can be put right without a doubt is.
    Repair,
}

/// Compares, repairs and reports; one run at a time. Cheap to clone.
#[derive(Clone)]
pub struct Reconciler {
    parts: ReconcileDeps,
    metrics: Arc<Metrics>,
    turn: Arc<Mutex<()>>,
}

impl Reconciler {
    /// A reconciler of these.
    #[must_use]
    pub fn new(parts: ReconcileDeps, metrics: Arc<Metrics>) -> Self {
        Self { parts, metrics, turn: Arc::default() }
    }

    /// Goes through all coupons, or through `only` one.
    ///
    /// # Errors
    /// [`ReconcileError`] if that cannot be done now; what was repaired until then stays so.
    pub async fn run(
        &self,
        only: Option<&CouponId>,
        mode: RepairMode,
        watch: &mut dyn Watch,
    ) -> Result<DriftReport, ReconcileError> {
        let _turn = self.turn.try_lock().map_err(|_| ReconcileError::Busy)?;
        let mut report = DriftReport::default();
        let catalog = self.parts.coupons(only).await?;
        for coupon in &catalog.coupons {
            let mut found = CouponComparison::of(&self.parts, coupon, SETTLED_AFTER).run(watch).await?;
            if mode == RepairMode::Repair {
                repair(&self.parts, &coupon.id, &mut found).await;
            }
            report.add(found);
        }
        if only.is_none() {
            self.parts.uncomparable(&catalog).await?.into_iter().for_each(|stranger| report.add(stranger));
        }
        self.tell(&report, only.is_none());
        Ok(report)
    }

    /// Says that another node compares everything from now on.
    pub(super) fn is_anothers(&self) {
        self.metrics.reconciled.clear_drift();
    }

    fn tell(&self, report: &DriftReport, is_whole: bool) {
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
    /// The coupons to go through.
    pub(super) async fn coupons(&self, only: Option<&CouponId>) -> Result<CatalogPage, ReconcileError> {
        if let Some(id) = only {
            let asked = async {
                match self.catalog.find(id).await {
                    Err(CatalogError::Missing) => Err(Stop::Failed(ReconcileError::NoSuchCoupon(id.clone()))),
                    found => found.map_err(Stop::from),
                }
            };
            let coupons = vec![within("the catalogue", asked).await.map_err(failed)?];
            return Ok(CatalogPage { coupons, ..CatalogPage::default() });
        }
        let mut all = CatalogPage::default();
        loop {
            let asked = self.catalog.list(all.next.as_deref(), CATALOG_PAGE);
            let page = within("the catalogue", asked).await.map_err(failed)?;
            all.coupons.extend(page.coupons);
            all.unreadable.extend(page.unreadable);
            all.next = page.next;
            if all.next.is_none() {
                return Ok(all);
            }
        }
    }

    /// Compares one coupon as it is now, whatever is on its way, and changes nothing.
    pub(super) async fn examined(
        &self,
        coupon: &Coupon,
        watch: &mut dyn Watch,
    ) -> Result<CouponReport, ReconcileError> {
        CouponComparison::of(self, coupon, Duration::ZERO).run(watch).await
    }
}

pub(super) fn failed(stop: Stop) -> ReconcileError {
    match stop {
        Stop::Failed(error) => error,
        Stop::Found(finding) => ReconcileError::Unavailable(finding.detail),
    }
}
