//! Who asks. openrun knows a member by the id the shop gives and keeps nothing else of them.

use super::ids::MemberId;

/// Somebody who may ask for a coupon.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// The id the shop knows them by.
    pub id: MemberId,
}
