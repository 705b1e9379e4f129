//! The load generator and the bench against a real openrun on the embedded engine, briefly: every scenario, one round, a server that stalls, and
//! what an operator mistypes.

mod bench;
mod mistakes;
mod node;
mod scenarios;
mod stall;
