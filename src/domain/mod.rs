//! What a coupon is and who may have one. Pure: no async, no input or output, no clock of its own.

#![warn(missing_docs)]

mod code;
mod coupon;
mod ids;
mod inventory;
mod issuance;
mod lifecycle;
mod member;
mod note;
mod text;
mod time;
mod trace;
mod window;

pub use code::{CodeSalt, IssueCode};
pub use coupon::{Amendment, AmendmentError, Coupon, NewCoupon, Terms, TermsError};
pub use ids::{CouponId, IdError, MemberId};
pub use inventory::{Inventory, InventoryError, MAX_TOTAL, Sequence};
pub use issuance::{AckLevel, IssuanceStatus, IssuedCoupon};
pub use lifecycle::{CouponState, Lifecycle, Rejection, Standing};
pub use member::Member;
pub use note::{Note, NoteError};
pub use text::{counted, is_printable};
pub use time::{Timestamp, TimestampError};
pub use trace::Traceparent;
pub use window::{Window, WindowError};
