//! The load generator and the bench against a real node on the embedded engine, briefly: every scenario, one
//! round, a server that stalls, and wrong arguments.

mod arguments;
mod bench;
mod node;
mod scenarios;
mod stall;
