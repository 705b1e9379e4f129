//! Where a request comes from: the other end of the connection or, if that is a proxy the operator trusts, whom it names.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

use super::forwarded;
use crate::http::forwarding::is_forwarded;

/// Proxies whose word on their clients is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// A text that is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither an address nor a network: write such as 10.0.0.0/8,192.0.2.7,2001:db8::/32")]
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

/// Who asks, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    address: IpAddr,
    /// Whether it is on this machine, and no proxy says something else.
    pub(super) is_local: bool,
    /// Whether somebody who is not trusted says that it is somebody else.
    pub(super) is_told_by_a_stranger: bool,
}

impl Client {
    fn at(address: IpAddr) -> Self {
        Self { address, is_local: address.is_loopback(), is_told_by_a_stranger: false }
    }

    /// Somewhere behind the proxy at `address`; nobody knows where.
    fn behind(address: IpAddr) -> Self {
        Self { is_local: false, ..Self::at(address) }
    }

    /// What counts as one place: an IPv4 address, or the 64 bits of an IPv6 one that a network hands out as a whole.
    pub(super) fn place(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        }
    }
}

impl TrustedProxies {
    /// Whether no proxy is named.
    #[must_use]
    pub fn name_nobody(&self) -> bool {
        self.0.is_empty()
    }

    fn include(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who asks over a connection from `peer`.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !self.include(peer) {
            if is_forwarded(headers) {
                // It is a proxy that connects, on this machine or not, and its clients are strangers.
                return Client { is_told_by_a_stranger: true, ..Client::behind(peer) };
            }
            return Client::at(peer);
        }
        let by_list = forwarded::x_forwarded_for(headers).map(|hops| self.nearest_stranger(peer, &hops));
        let by_standard = forwarded::forwarded(headers).map(|hops| self.nearest_stranger(peer, &hops));
        match (by_list, by_standard) {
            (None, None) if is_forwarded(headers) => Client::behind(peer),
            (None, None) => Client::at(peer),
            (Some(client), None) | (None, Some(client)) => client,
            (Some(one), Some(other)) if one == other => one,
            // A proxy writes one of the two and may pass on the other as its client made it up.
            (Some(_), Some(_)) => Client::behind(peer),
        }
    }

    /// The last one in the chain who is not trusted: what stands before them is what they say themselves.
    fn nearest_stranger(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> Client {
        let mut nearest = peer;
        for hop in hops.iter().rev() {
            match hop {
                Some(address) if self.include(*address) => nearest = *address,
                Some(address) => return Client::at(*address),
                None => return Client::behind(nearest),
            }
        }
        Client::at(nearest)
    }
}

#[cfg(test)]
mod tests;
