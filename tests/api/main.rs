//! The HTTP interface, asked as a client asks it.

#[path = "../support/mod.rs"]
mod support;
