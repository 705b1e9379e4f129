//! Free ports for private services.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::ops::Range;

/// Below the range of the kernel's ephemeral ports (on Linux from 32768): an outgoing connection could otherwise take
/// the port of a service that is down. `scripts/test` uses 20000 to 25999.
const PORTS: Range<u16> = 26_000..32_000;
const ATTEMPTS: u64 = 200;

/// A free port. Chosen at random, because many processes look for ports at the same time.
///
/// # Panics
/// If all attempts find a used port.
#[must_use]
pub fn free_port() -> u16 {
    // A new random seed for each call.
    let state = RandomState::new();
    (0..ATTEMPTS)
        .map(|attempt| {
            let offset = state.hash_one(attempt) % u64::from(PORTS.end - PORTS.start);
            PORTS.start + u16::try_from(offset).expect("less than the length of a range of u16")
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("no free port from 26000 to 31999")
}
