//! The actors of a node, by subsystem. The folders depend on one another in this order, from the ground up; each actor is
//! a thin shell around a plain struct that is tested without it.
//!
//! docs/internals/actors.md says what actix does for them and what it does not.

pub mod runtime;

pub mod delivery;

pub mod issuing;

pub mod cluster;

pub mod reconcile;
pub mod upkeep;
