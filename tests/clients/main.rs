//! The example clients of docs/clients.md, each run as its reader would run it, against a real node.

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod arrange;
mod retries;
