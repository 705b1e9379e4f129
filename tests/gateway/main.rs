//! The gateway in front of the service: a real nginx with the configuration of `deploy/gateway`, run as its image does.

#[path = "../support/mod.rs"]
mod support;

mod doors;
mod gateway;
mod limits;
mod nodes;
mod problems;
mod slow;
mod upstream;
