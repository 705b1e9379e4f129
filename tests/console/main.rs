//! The operators' console and the members' page, in a headless Chromium with a real node.

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod contract;
mod letters;
mod phone;
mod screenshots;
mod stage;
mod token;
mod trying;
mod watching;
mod words;
