use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Client, IpAddr, TrustedProxies};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The client of a request from `peer`, with 10.0.0.0/8, fd00::/8 and 127.0.0.1 as trusted proxies.
fn client(peer: &str, headers: &[(&str, &str)]) -> Client {
    let trusted: TrustedProxies = "10.0.0.0/8, fd00::/8,127.0.0.1".parse().unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    trusted.client(address(peer), &map)
}

fn forwarded_for(peer: &str, list: &str) -> Client {
    client(peer, &[("x-forwarded-for", list)])
}

#[test]
fn an_untrusted_proxy_is_not_believed() {
    let client_of_peer = forwarded_for("203.0.113.9", "198.51.100.7");
    assert_eq!(client_of_peer, Client { is_untrusted_proxy: true, ..Client::at(address("203.0.113.9")) });
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-proto"] {
        let header = [(name, "127.0.0.1")];
        let proxy = client("127.0.0.2", &header);
        assert!(proxy.is_untrusted_proxy && !proxy.is_local, "{name}: it is a proxy on this machine");
        assert_eq!(proxy.network(), address("127.0.0.2"), "{name}");
    }
    assert!(client("127.0.0.2", &[]).is_local);
    assert_eq!(client("203.0.113.9", &[]), Client::at(address("203.0.113.9")));
    let none = TrustedProxies::default();
    assert_eq!(none.client(address("10.0.0.1"), &HeaderMap::new()), Client::at(address("10.0.0.1")));
}

#[test]
fn a_trusted_proxy_names_its_client() {
    for list in ["198.51.100.7", "198.51.100.7:4711", " 198.51.100.7 ", "::ffff:198.51.100.7"] {
        assert_eq!(forwarded_for("10.0.0.1", list), Client::at(address("198.51.100.7")), "{list}");
    }
    for list in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711"] {
        assert_eq!(forwarded_for("::ffff:10.0.0.1", list), Client::at(address("2001:db8::7")), "{list}");
    }
    for value in [
        "for=198.51.100.7",
        "For=\"198.51.100.7:4711\";proto=https;by=10.0.0.1",
        "proto=http; for=198.51.100.7",
        "for=1.2.3.4, for=198.51.100.7;host=\"a, for=5.6.7.8\"",
    ] {
        let found = client("fd00::1", &[("forwarded", value)]);
        assert_eq!(found, Client::at(address("198.51.100.7")), "{value}");
    }
    let six = client("10.0.0.1", &[("forwarded", "for=\"[2001:db8:cafe::17]:4711\"")]);
    assert_eq!(six, Client::at(address("2001:db8:cafe::17")));
}

#[test]
fn the_last_untrusted_hop_of_a_chain_is_the_client() {
    for forged in ["1.2.3.4, ", "10.9.9.9, ", "127.0.0.1, ", "nonsense, ", ""] {
        for tail in ["", ", 10.1.1.1", ", 10.1.1.1, fd00::2"] {
            let list = format!("{forged}198.51.100.7{tail}");
            assert_eq!(forwarded_for("10.0.0.1", &list), Client::at(address("198.51.100.7")), "{list}");
        }
    }
    let two_lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7, 10.1.1.1")];
    assert_eq!(client("10.0.0.1", &two_lines), Client::at(address("198.51.100.7")));
}

#[test]
fn the_first_hop_of_a_chain_of_trusted_proxies_is_the_client() {
    assert_eq!(forwarded_for("10.0.0.1", "10.3.3.3, 10.2.2.2"), Client::at(address("10.3.3.3")));
    assert!(forwarded_for("10.0.0.1", "127.0.0.1").is_local);
    assert!(client("127.0.0.1", &[]).is_local);
    let unnamed = client("127.0.0.1", &[("x-forwarded-proto", "https")]);
    assert_eq!(unnamed, Client::behind(address("127.0.0.1")), "a proxy that does not name its client");
    assert!(client("::1", &[]).is_local);
}

#[test]
fn an_unreadable_hop_counts_as_the_proxy_and_is_never_local() {
    for list in ["unknown", "_hidden", "198.51.100.7, unknown", ",", "198.51.100.7,"] {
        assert_eq!(forwarded_for("127.0.0.1", list), Client::behind(address("127.0.0.1")), "{list}");
    }
    for value in [
        "for=unknown",
        "by=10.0.0.1",
        "for=\"198.51.100.7",
        "for=\"evil, for=198.51.100.7",
        "for=1.2.3.4;for=198.51.100.7",
        "for = 198.51.100.7",
    ] {
        let found = client("127.0.0.1", &[("forwarded", value)]);
        assert_eq!(found, Client::behind(address("127.0.0.1")), "{value}");
    }
    assert!(!forwarded_for("127.0.0.1", "unknown").is_local);
}

#[test]
fn two_headers_that_disagree_are_not_believed() {
    let disagree = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=1.2.3.4")];
    assert_eq!(client("10.0.0.1", &disagree), Client::behind(address("10.0.0.1")));
    let agree = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7")];
    assert_eq!(client("10.0.0.1", &agree), Client::at(address("198.51.100.7")));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let network = |text: &str| Client::at(address(text)).network();
    assert_eq!(network("2001:db8:1:2:aaaa::1"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    assert_ne!(network("198.51.100.7"), network("198.51.100.8"));
}

#[test]
fn a_malformed_list_of_networks_is_refused() {
    for text in ["10.0.0.0/33", "localhost", "10.0.0.1,", "10.0.0.0/8;::1", "10.0.0.1:80"] {
        assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
    }
    assert_eq!("".parse(), Ok(TrustedProxies::default()));
}
