//! What an operator sees of the service from outside: metrics, log lines and traces.

mod adder;
mod coupons;
mod escape;
mod log_format;
mod logging;
mod metrics;
mod persisting;
mod reconciled;
mod services;
mod traces;
mod troubles;

pub use coupons::{COUPONS_MAX, CouponGauges, CouponLook};
pub use logging::{DEMO_FILTER, LogFormat, MIGRATE_FILTER, SERVE_FILTER, init};
pub use metrics::{Metrics, Outcome};
pub use persisting::Persisting;
pub use reconciled::Reconciled;
pub use services::ServiceGauges;
pub use traces::{
    Destination, MAX_TRACES, RawTraceSettings, TraceSettings, TraceSettingsError, Traces, Work, WorkKind,
    is_tracing, run_as,
};
pub use troubles::{Trouble, recent_troubles};
