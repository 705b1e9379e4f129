//! The actors of a node, by subsystem, from the ground up: a folder imports only from folders above it in this list. Each
//! actor is a thin shell around a plain struct that is tested without it.
//!
//! docs/internals/actors.md describes the part that actix plays.

pub mod runtime;

pub mod delivery;

pub mod issuing;

pub mod cluster;

pub mod reconcile;
pub mod upkeep;
