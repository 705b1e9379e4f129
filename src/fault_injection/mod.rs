//! Faults that a test injects into a node: an abort between two steps ([`abort`]), a panic of an actor ([`panics`]), and
//! known bugs that the fault harness must find ([`bugs`]). They compile to nothing unless their features are on. No
//! release contains them.

pub mod abort;
pub mod bugs;
pub mod panics;
