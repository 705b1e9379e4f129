//! The architecture of the code, the deployed manifests, and the support of the other tests.

#[path = "../support/mod.rs"]
mod support;

mod contributing;
mod kubernetes;
mod layers;
mod lengths;
mod logs;
mod proxy;
mod services;
mod shared;
mod words;
