//! What an operator sees of the service from outside: metrics and log lines.

mod logging;
mod metrics;
mod reconciled;
mod troubles;

pub use logging::{LogFormat, init as init_logging};
pub use metrics::{Metrics, Outcome};
pub use reconciled::Reconciled;
pub use troubles::{Trouble, recent_troubles};
