//! The gateway: a real nginx with the configuration of `deploy/gateway`, started as in its container.

#[path = "../support/mod.rs"]
mod support;

mod gateway;
mod limits;
mod nodes;
mod ports;
mod problems;
mod slow;
mod upstream;
