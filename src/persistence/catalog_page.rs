//! Builds a page of the catalogue from rows. An unreadable row is listed beside the coupons and fails no page.

use std::fmt::Display;

use crate::domain::Coupon;
use crate::ports::{CatalogPage, UnreadableCoupon};

/// Converts `rows`, of which there are at most `limit`; a full page has a next one.
pub(super) fn page_of<R, E: Display>(
    rows: &[R],
    limit: u32,
    id: impl Fn(&R) -> Result<String, E>,
    coupon: impl Fn(&R) -> Result<Coupon, E>,
) -> Result<CatalogPage, E> {
    let mut page = CatalogPage::default();
    for row in rows {
        match coupon(row) {
            Ok(coupon) => page.coupons.push(coupon),
            Err(error) => page.unreadable.push(UnreadableCoupon { id: id(row)?, reason: error.to_string() }),
        }
    }
    if rows.len() as u64 == u64::from(limit) {
        page.next = rows.last().map(id).transpose()?;
    }
    Ok(page)
}
