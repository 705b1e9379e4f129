//! The total of a coupon, and how much of it is issued. Immutable: operations return a new value.

/// The largest total of a coupon.
pub const MAX_TOTAL: u32 = 100_000_000;

/// The number of an issuance, in the order of issuing: dense, from 1 to the coupon's total.
pub type Sequence = u32;

/// An inventory that cannot exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// The total is zero or above [`MAX_TOTAL`].
    #[error("total must be between 1 and {MAX_TOTAL}")]
    TotalOutOfRange,
    /// The total is below the number issued: issuances cannot be taken back.
    #[error("total cannot be below the {issued} already issued")]
    BelowIssued {
        /// The number issued.
        issued: u32,
    },
    /// No coupon remains.
    #[error("every coupon has been issued")]
    SoldOut,
}

/// Total and number issued. `issued <= total` always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inventory {
    total: u32,
    issued: u32,
}

impl Inventory {
    /// An inventory of which nothing is issued. `total` must be from 1 to [`MAX_TOTAL`].
    pub fn new(total: u32) -> Result<Self, InventoryError> {
        Self::with_issued(total, 0)
    }

    /// An inventory with these numbers. `total` must be from 1 to [`MAX_TOTAL`], and not below `issued`.
    pub fn with_issued(total: u32, issued: u32) -> Result<Self, InventoryError> {
        if !(1..=MAX_TOTAL).contains(&total) {
            return Err(InventoryError::TotalOutOfRange);
        }
        if issued > total {
            return Err(InventoryError::BelowIssued { issued });
        }
        Ok(Self { total, issued })
    }

    /// Issues one coupon, unless sold out; returns the new inventory and the sequence of the issuance.
    pub fn issue(self) -> Result<(Self, Sequence), InventoryError> {
        if self.is_sold_out() {
            return Err(InventoryError::SoldOut);
        }
        let after = Self { issued: self.issued + 1, ..self };
        Ok((after, after.issued))
    }

    /// An inventory with the same number issued and another total, which must not be below it.
    pub fn resize(self, total: u32) -> Result<Self, InventoryError> {
        Self::with_issued(total, self.issued)
    }

    /// How many coupons can be issued.
    #[must_use]
    pub fn total(self) -> u32 {
        self.total
    }

    /// How many coupons are issued; also the largest sequence.
    #[must_use]
    pub fn issued(self) -> u32 {
        self.issued
    }

    /// How many coupons can still be issued.
    #[must_use]
    pub fn remaining(self) -> u32 {
        self.total - self.issued
    }

    /// Whether nothing remains.
    #[must_use]
    pub fn is_sold_out(self) -> bool {
        self.remaining() == 0
    }

    /// Whether issuing has started, after which the coupon's terms are frozen.
    #[must_use]
    pub fn has_started(self) -> bool {
        self.issued > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Inventory, InventoryError, MAX_TOTAL};

    #[test]
    fn totals_out_of_range_are_refused() {
        assert_eq!(Inventory::new(0), Err(InventoryError::TotalOutOfRange));
        assert_eq!(Inventory::new(MAX_TOTAL + 1), Err(InventoryError::TotalOutOfRange));
        assert!(Inventory::new(MAX_TOTAL).is_ok());
    }

    #[test]
    fn issuing_does_not_change_the_old_value() {
        let before = Inventory::new(2).unwrap();
        let (after, sequence) = before.issue().unwrap();
        assert_eq!((before.issued(), after.issued(), sequence), (0, 1, 1));
    }

    fn inventories() -> impl Strategy<Value = Inventory> {
        (1u32..5_000).prop_flat_map(|total| {
            (Just(total), 0..=total).prop_map(|(t, i)| Inventory::with_issued(t, i).expect("in range"))
        })
    }

    proptest! {
        #[test]
        fn issued_and_remaining_always_add_up_to_total(inventory in inventories()) {
            prop_assert_eq!(inventory.issued() + inventory.remaining(), inventory.total());
            prop_assert_eq!(inventory.is_sold_out(), inventory.remaining() == 0);
            prop_assert_eq!(inventory.has_started(), inventory.issued() > 0);
        }

        #[test]
        fn exactly_total_can_be_issued_with_dense_sequences(total in 1u32..2_000, requests in 0u32..4_000) {
            let mut inventory = Inventory::new(total).unwrap();
            let mut sequences = Vec::new();
            for _ in 0..requests {
                match inventory.issue() {
                    Ok((after, sequence)) => { inventory = after; sequences.push(sequence); }
                    Err(error) => prop_assert_eq!(error, InventoryError::SoldOut),
                }
            }
            let expected: Vec<u32> = (1..=requests.min(total)).collect();
            prop_assert_eq!(sequences, expected);
        }

        #[test]
        fn resizing_keeps_the_number_issued(inventory in inventories(), total in 0u32..6_000) {
            match inventory.resize(total) {
                Ok(resized) => {
                    prop_assert_eq!(resized.issued(), inventory.issued());
                    prop_assert_eq!(resized.total(), total);
                }
                Err(InventoryError::BelowIssued { issued }) => prop_assert!(total < issued),
                Err(error) => {
                    prop_assert_eq!(error, InventoryError::TotalOutOfRange);
                    prop_assert_eq!(total, 0);
                }
            }
        }
    }
}
