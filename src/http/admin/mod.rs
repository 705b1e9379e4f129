//! Operators' calls: one file for each resource, every handler behind [`Operator`](super::operators::Operator).

pub(super) mod actors;
pub(super) mod conflicts;
pub(super) mod dead_letters;
pub(super) mod events;
pub(super) mod lost_numbers;
pub(super) mod reconcile;
