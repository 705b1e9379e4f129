//! Coupons that cannot be compared: those the catalogue cannot read, and those that the engine decides on and the catalogue
//! lacks, because the database was put back to before they were created.

use std::collections::BTreeSet;

use super::report::{CouponReport, DriftKind, Finding};
use super::run::failed;
use super::sources::{ReconcileDeps, ReconcileError, Stop, within};
use crate::domain::CouponId;
use crate::ports::{CatalogError, CatalogPage, CouponsPage, EngineError, UnreadableCoupon};

impl ReconcileDeps {
    /// A report of each of them; `catalog` is all that it had a moment ago.
    pub(super) async fn uncomparable(
        &self,
        catalog: &CatalogPage,
    ) -> Result<Vec<CouponReport>, ReconcileError> {
        let mut uncomparable = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let asked = within("the engine", self.engine.coupons(cursor)).await;
            let CouponsPage { coupons, next } = asked.map_err(failed)?;
            uncomparable.extend(coupons);
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        for coupon in &catalog.coupons {
            uncomparable.remove(&coupon.id);
        }
        uncomparable.retain(|id| catalog.unreadable.iter().all(|coupon| coupon.id != id.as_str()));
        let unreadable = |coupon: &UnreadableCoupon| {
            let detail = format!("the database has this coupon, but it cannot be read: {}", coupon.reason);
            not_compared(&coupon.id, detail)
        };
        let mut reports: Vec<_> = catalog.unreadable.iter().map(unreadable).collect();
        for id in &uncomparable {
            reports.extend(self.stranger(id).await.map_err(failed)?);
        }
        Ok(reports)
    }

    /// The report of one, unless it was created a moment ago or has gone.
    async fn stranger(&self, id: &CouponId) -> Result<Option<CouponReport>, Stop> {
        let is_there = async {
            match self.catalog.find(id).await {
                Ok(_) => Ok(true),
                Err(CatalogError::Missing) => Ok(false),
                Err(error) => Err(Stop::from(error)),
            }
        };
        if within("the catalogue", is_there).await? {
            return Ok(None);
        }
        let issued = async {
            match self.engine.standing(id).await {
                Ok(standing) => Ok(Some(standing.inventory.issued())),
                Err(EngineError::UnknownCoupon | EngineError::Fenced(_)) => Ok(None),
                Err(error) => Err(Stop::from(error)),
            }
        };
        let issued = within("the engine", issued).await?;
        let so_many = issued.map_or_else(String::new, |issued| format!(", of which {issued} are issued,"));
        let detail = format!("the engine has this coupon{so_many} and the database does not know it");
        Ok(Some(CouponReport { issued: issued.unwrap_or(0), ..not_compared(id.as_str(), detail) }))
    }
}

fn not_compared(coupon: &str, why: String) -> CouponReport {
    let mut report = CouponReport::new(coupon, 0);
    report.compared = false;
    report.found(Finding::new(DriftKind::NotCompared, why));
    report
}
