//! What holds after a node, a service or the network has died in the middle.

#[path = "../support/mod.rs"]
mod support;
