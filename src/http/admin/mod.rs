//! What operators ask of the service itself, on every node whatever its roles.

pub(super) mod reconcile;
