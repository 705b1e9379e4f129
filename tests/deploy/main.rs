//! What is deployed, as far as it can be judged without deploying it. `scripts/compose-check` runs it.

#[path = "../support/mod.rs"]
mod support;

mod compose;
mod dockerfile;
mod planted;
mod rules;
