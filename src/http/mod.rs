//! The doors: one file a resource, errors and extractors in one file each.

mod admin;
mod console;
mod coupons;
mod extract;
mod health;
mod issuances;
mod live;
mod openapi;
mod operators;
mod prefer;
mod problem;
mod server;
mod state;
mod unread;

pub use live::{Live, LiveSources};
pub use openapi::document as openapi_document;
pub use operators::Operators;
pub use server::{BoundServer, ServerSettings, bind};
pub use state::AppState;
