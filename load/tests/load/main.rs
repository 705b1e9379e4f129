//! The load generator against a real openrun on the embedded engine, briefly: every scenario, and what an operator
//! mistypes.

mod mistakes;
mod node;
mod scenarios;
