//! The race against small servers: a correct one, some that break an invariant, and some that fail.

mod command_line;
mod correct;
mod faults;
mod incorrect;
mod server;
