//! What operators see of openrun: that alerts fire and clear, and that rules and dashboards name what a node exports.

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod exported;
mod files;
mod prometheus;
mod rules;
mod runbook;
