//! The HTTP interface and the command line of a real process, as clients and operators use them.

#[path = "../support/mod.rs"]
mod support;

mod acks;
mod actors;
mod amending;
mod arrange;
mod bodies;
mod command_line;
mod conflicts;
mod coupons;
mod dead_letters;
mod demo;
mod docs;
mod drain;
mod events;
mod gates;
mod health;
mod issuing;
mod lifecycle;
mod malformed;
mod members;
mod operators;
mod overload;
mod pages;
mod probe;
mod program;
mod rate_limits;
mod raw;
mod routes;
mod serve_mistakes;
mod settings_mistakes;
mod slow;
mod windows;
