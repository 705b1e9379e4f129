//! Ports for services that a test starts itself.

use std::net::TcpListener;
use std::ops::Range;

use uuid::Uuid;

/// Below the range from which the kernel takes the ports of outgoing connections (on Linux from 32768): a client that
/// dials a service that is down could otherwise be given the service's own port. `scripts/test` takes from 20000 to
/// 25999.
const PORTS: Range<u16> = 26_000..32_000;
const ATTEMPTS: usize = 200;

/// A port nobody listens on at the moment. Tests run as many processes, hence by lot and not one after the other.
pub(crate) fn free_port() -> u16 {
    (0..ATTEMPTS)
        .map(|_| {
            let lot = Uuid::new_v4().as_u64_pair().0 % u64::from(PORTS.end - PORTS.start);
            PORTS.start + u16::try_from(lot).expect("less than the length of a range of u16")
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("no free port from 26000 to 31999")
}
