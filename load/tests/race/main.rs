//! The race against small servers: one that keeps the promise, some that break it, and some that are unwell.

mod command_line;
mod faults;
mod honest;
mod rogues;
mod server;
