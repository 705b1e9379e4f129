//! The architecture of the code, the manifests that are deployed, and the support that other tests stand on.

#[path = "../support/mod.rs"]
mod support;

mod kubernetes;
mod layers;
mod logs;
mod proxy;
mod services;
mod shared;
