//! One suite of what every admission engine owes, run against each of them.

#[path = "../support/mod.rs"]
mod support;
