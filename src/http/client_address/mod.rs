//! The address of a request's client: the peer of the connection or, if that is a trusted proxy, the address in its
//! forwarding headers.

mod forwarded;

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

pub(super) use self::forwarded::is_forwarded;

/// Networks of the proxies whose forwarding headers are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither an address nor a network: write for example 10.0.0.0/8,192.0.2.7,2001:db8::/32")]
pub struct ProxiesError(String);

impl FromStr for TrustedProxies {
    type Err = ProxiesError;

    fn from_str(text: &str) -> Result<Self, ProxiesError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let network = |part: &str| {
            let address = || part.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
            part.parse().or_else(|_| address()).map_err(|_| ProxiesError(part.to_owned()))
        };
        text.split(',').map(|part| network(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

/// A client as rate limits see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    address: IpAddr,
    /// Whether the request comes from this machine and was not forwarded for an unknown client.
    pub(super) is_local: bool,
    /// Whether the peer forwards requests without being trusted; the address is then that of the proxy.
    pub(super) is_untrusted_proxy: bool,
}

impl Client {
    fn at(address: IpAddr) -> Self {
        Self { address, is_local: address.is_loopback(), is_untrusted_proxy: false }
    }

    /// A client with an unknown address behind the proxy at `address`.
    fn behind(address: IpAddr) -> Self {
        Self { is_local: false, ..Self::at(address) }
    }

    /// The key of the bucket: an IPv4 address, or the /64 network of an IPv6 address, which providers assign as a whole.
    pub(super) fn network(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        }
    }
}

impl TrustedProxies {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that arrived over a connection from `peer`.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            if is_forwarded(headers) {
                // A proxy on this machine is not local either: its clients may be anywhere.
                return Client { is_untrusted_proxy: true, ..Client::behind(peer) };
            }
            return Client::at(peer);
        }
        let by_list = forwarded::x_forwarded_for(headers).map(|hops| self.nearest_untrusted(peer, &hops));
        let by_standard = forwarded::forwarded(headers).map(|hops| self.nearest_untrusted(peer, &hops));
        match (by_list, by_standard) {
            (None, None) if is_forwarded(headers) => Client::behind(peer),
            (None, None) => Client::at(peer),
            (Some(client), None) | (None, Some(client)) => client,
            (Some(one), Some(other)) if one == other => one,
            // A proxy writes one of the two headers and may pass on the other as its client forged it.
            (Some(_), Some(_)) => Client::behind(peer),
        }
    }

    /// The last hop that is not trusted. The hops before it are its own claims, and are ignored.
    fn nearest_untrusted(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> Client {
        let mut nearest = peer;
        for hop in hops.iter().rev() {
            match hop {
                Some(address) if self.contains(*address) => nearest = *address,
                Some(address) => return Client::at(*address),
                None => return Client::behind(nearest),
            }
        }
        Client::at(nearest)
    }
}

#[cfg(test)]
mod tests;
