//! Monitoring: alerts fire and clear, rules and dashboards use exported metrics, and the run-book is complete.

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod exported;
mod files;
mod prometheus;
mod rules;
mod runbook;
