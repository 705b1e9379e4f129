//! Coupons, issuances, and the rules of issuing. Pure: no async, no input or output, no clock of its own.

#![warn(missing_docs)]

mod admission;
mod code;
mod coupon;
mod ids;
mod inventory;
mod issuance;
mod lifecycle;
mod note;
mod reconfigure;
mod sale_period;
mod text;
mod time;
mod trace;

pub use admission::{AdmissionRequest, Decision, Grant, Verdict, decide};
pub use code::{CodeSalt, IssueCode};
pub use coupon::{Amendment, AmendmentError, Coupon, NewCoupon, Terms, TermsError};
pub use ids::{CouponId, IdError, MemberId};
pub use inventory::{Inventory, InventoryError, MAX_TOTAL, Sequence};
pub use issuance::{AckLevel, IssuanceStatus, IssuedCoupon};
pub use lifecycle::{CouponState, Lifecycle, Rejection, Standing};
pub use note::{Note, NoteError};
pub use reconfigure::Reconfiguration;
pub use sale_period::{SalePeriod, SalePeriodError};
pub use text::{counted, is_printable};
pub use time::{Timestamp, TimestampError};
pub use trace::Traceparent;
