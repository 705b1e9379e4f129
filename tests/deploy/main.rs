//! Checks of the deployment files that need no deployment. `scripts/compose-check` runs the containers.

#[path = "../support/mod.rs"]
mod support;

mod compose;
mod dockerfile;
mod planted;
mod rules;
