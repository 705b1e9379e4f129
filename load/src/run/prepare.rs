//! The coupons of a run: the given ones, or new ones.

use std::time::{SystemTime, UNIX_EPOCH};

use super::config::{RunConfig, RunError, Scenario};
use crate::admin_client::AdminClient;

pub(super) async fn prepare_coupons(
    config: &RunConfig,
    admin: &mut AdminClient,
) -> Result<Vec<String>, RunError> {
    if config.coupons.is_empty() {
        return create_coupons(config, admin).await;
    }
    for coupon in &config.coupons {
        let terms = admin.fetch_coupon(coupon).await?;
        if config.scenario == Scenario::SoldOut && terms.issued < terms.total {
            return Err(RunError::NotSoldOut(coupon.clone()));
        }
    }
    Ok(config.coupons.clone())
}

async fn create_coupons(config: &RunConfig, admin: &mut AdminClient) -> Result<Vec<String>, RunError> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = if config.scenario == Scenario::Mixed { config.coupon_count.max(1) } else { 1 };
    let ids: Vec<String> = (1..=count).map(|nth| format!("load-{}-{nth}", since_epoch.as_millis())).collect();
    for id in &ids {
        match config.scenario {
            Scenario::SoldOut => admin.create_sold_out_coupon(id).await.map(drop)?,
            _ => admin.create_coupon(id, config.stock).await?,
        }
    }
    Ok(ids)
}
