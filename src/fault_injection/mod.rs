//! What a test may break in a node on purpose: ends at the worst moment ([`abort`]) and bugs that were planted to see
//! whether they are found ([`planted`]). Both are nothing unless their features are on, and no release has them.

pub mod abort;
pub mod planted;
