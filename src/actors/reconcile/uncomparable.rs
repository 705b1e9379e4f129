//! Coupons that cannot be compared: unreadable ones of the catalogue, and coupons that the engine has and the catalogue
//! lacks, because the database was restored to a time before they were created.

use std::collections::BTreeSet;

use super::report::{CouponReport, DriftKind, Finding};
use super::sources::{CompareError, ReconcileDeps, ReconcileError, bounded};
use crate::domain::CouponId;
use crate::ports::{CatalogError, CatalogPage, CouponsPage, EngineError, UnreadableCoupon};

impl ReconcileDeps {
    /// A report of each uncomparable coupon. `catalog` is the whole catalogue of a moment ago.
    pub(super) async fn uncomparable(
        &self,
        catalog: &CatalogPage,
    ) -> Result<Vec<CouponReport>, ReconcileError> {
        let mut unknown = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let page = bounded(self.engine.coupons(cursor)).await;
            let CouponsPage { coupons, next } = page.map_err(CompareError::from)?;
            unknown.extend(coupons);
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        for coupon in &catalog.coupons {
            unknown.remove(&coupon.id);
        }
        unknown.retain(|id| catalog.unreadable.iter().all(|coupon| coupon.id != id.as_str()));
        let unreadable = |coupon: &UnreadableCoupon| {
            let detail = format!("the database has this coupon, but it cannot be read: {}", coupon.reason);
            not_compared(&coupon.id, detail)
        };
        let mut reports: Vec<_> = catalog.unreadable.iter().map(unreadable).collect();
        for id in &unknown {
            reports.extend(self.report_unknown(id).await?);
        }
        Ok(reports)
    }

    /// The report of a coupon that the catalogue lacks; `None` if it was created a moment ago.
    async fn report_unknown(&self, id: &CouponId) -> Result<Option<CouponReport>, CompareError> {
        match bounded(self.catalog.find(id)).await {
            Ok(_) => return Ok(None),
            Err(CatalogError::Missing) => {}
            Err(error) => return Err(error.into()),
        }
        let issued = match bounded(self.engine.standing(id)).await {
            Ok(standing) => Some(standing.inventory.issued()),
            Err(EngineError::UnknownCoupon | EngineError::Fenced(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let count = issued.map_or_else(String::new, |issued| format!(", of which {issued} are issued,"));
        let detail = format!("the engine has this coupon{count} and the database does not know it");
        Ok(Some(CouponReport { issued: issued.unwrap_or(0), ..not_compared(id.as_str(), detail) }))
    }
}

fn not_compared(coupon: &str, why: String) -> CouponReport {
    let mut report = CouponReport::new(coupon, 0);
    report.compared = false;
    report.add(Finding::new(DriftKind::NotCompared, why));
    report
}
