//! What operators call of a node: one file a resource, every call behind [`Operator`](super::operators::Operator).

pub(super) mod actors;
mod conflict_bodies;
pub(super) mod conflicts;
pub(super) mod dead_letters;
pub(super) mod events;
mod letter_bodies;
pub(super) mod lost_numbers;
pub(super) mod reconcile;
