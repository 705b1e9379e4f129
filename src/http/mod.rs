//! The doors: one file a resource, errors and extractors in one file each.

mod admin;
mod console;
mod coupons;
mod extract;
mod forwarding;
mod health;
mod issuances;
mod limits;
mod live;
mod openapi;
mod operators;
mod paths;
mod prefer;
mod problem;
mod server;
mod spans;
mod state;
mod unread;

pub use limits::{Limits, ProxiesError, RateLimits, RatesError, TrustedProxies};
pub use live::{Live, LiveSources};
pub use openapi::document as openapi_document;
pub use operators::Operators;
pub use server::{BoundServer, ServerSettings, bind};
pub use state::AppState;
