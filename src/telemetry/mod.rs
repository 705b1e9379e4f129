//! What an operator sees of the service from outside: metrics and log lines.

mod adder;
mod coupons;
mod logging;
mod metrics;
mod persisting;
mod reconciled;
mod services;

pub use coupons::{COUPONS_MAX, CouponGauges, CouponLook};
pub use logging::{LogFormat, init as init_logging};
pub use metrics::{Metrics, Outcome};
pub use persisting::Persisting;
pub use reconciled::Reconciled;
pub use services::ServiceGauges;
