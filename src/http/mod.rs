//! The HTTP interface: one file for each resource; shared extractors in `extract.rs`, errors in `problem/`.

mod actor_body;
mod admin;
mod body_guard;
mod client_address;
mod console;
mod coupons;
mod extract;
mod header_values;
mod health;
mod issuances;
mod live;
mod openapi;
mod operators;
mod path_encoding;
mod prefer;
mod problem;
mod rate_limits;
mod server;
mod spans;
mod state;

pub use client_address::{ProxiesError, TrustedProxies};
pub use live::{Live, LiveSources};
pub use openapi::document as openapi_document;
pub use operators::Operators;
pub use rate_limits::{RateLimiter, RateLimits, RatesError};
pub use server::{BoundServer, ServerSettings, bind};
pub use state::AppState;
