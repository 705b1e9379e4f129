//! The scenario `chaos`: services and nodes of its own, members who ask, faults that follow a seed, a history of every
//! question and answer, and a checker that knows nothing but this history and the rows at the end.

mod asking;
pub mod checker;
mod clock;
mod crowd;
pub mod history;
mod market;
mod operator;
