//! Ports for services that are started for one test or one run.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::ops::Range;

/// Below the range from which the kernel takes the ports of outgoing connections (on Linux from 32768): a client that
/// dials a service that is down could otherwise be given the service's own port. `scripts/test` takes from 20000 to
/// 25999.
const PORTS: Range<u16> = 26_000..32_000;
const ATTEMPTS: u64 = 200;

/// A port nobody listens on at the moment. Many processes take ports at once, hence by lot and not one after the other.
///
/// # Panics
/// When every port that was tried is taken.
#[must_use]
pub fn free_port() -> u16 {
    // Seeded by the system, another one at each call.
    let lots = RandomState::new();
    (0..ATTEMPTS)
        .map(|attempt| {
            let lot = lots.hash_one(attempt) % u64::from(PORTS.end - PORTS.start);
            PORTS.start + u16::try_from(lot).expect("less than the length of a range of u16")
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("no free port from 26000 to 31999")
}
