//! From rows to a page of the catalogue: what cannot be read is told beside the others.

use std::fmt::Display;

use crate::domain::Coupon;
use crate::ports::{CatalogPage, UnreadableCoupon};

/// A page of what `rows` are, of which there are at most `limit`.
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
            Err(error) => page.unreadable.push(UnreadableCoupon { id: id(row)?, why: error.to_string() }),
        }
    }
    if rows.len() as u64 == u64::from(limit) {
        page.next = rows.last().map(id).transpose()?;
    }
    Ok(page)
}
