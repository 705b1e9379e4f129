use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Client, IpAddr, TrustedProxies};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Who asks from `peer` with these headers, where 10.0.0.0/8, fd00::/8 and 127.0.0.1 are trusted.
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
fn nobody_is_believed_unless_they_are_trusted() {
    let told = forwarded_for("203.0.113.9", "198.51.100.7");
    assert_eq!(told, Client { is_told_by_a_stranger: true, ..Client::at(address("203.0.113.9")) });
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-proto"] {
        let header = [(name, "127.0.0.1")];
        let proxy = client("127.0.0.2", &header);
        assert!(proxy.is_told_by_a_stranger && !proxy.is_local, "{name}: it is a proxy on this machine");
        assert_eq!(proxy.place(), address("127.0.0.2"), "{name}");
    }
    assert!(client("127.0.0.2", &[]).is_local);
    assert_eq!(client("203.0.113.9", &[]), Client::at(address("203.0.113.9")));
    let none = TrustedProxies::default();
    assert_eq!(none.client(address("10.0.0.1"), &HeaderMap::new()), Client::at(address("10.0.0.1")));
}

#[test]
fn a_trusted_proxy_says_who_its_client_is() {
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
fn of_a_chain_the_last_stranger_counts_and_not_who_they_say_they_are() {
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
fn a_chain_of_trusted_ones_only_ends_with_the_first() {
    assert_eq!(forwarded_for("10.0.0.1", "10.3.3.3, 10.2.2.2"), Client::at(address("10.3.3.3")));
    assert!(forwarded_for("10.0.0.1", "127.0.0.1").is_local);
    assert!(client("127.0.0.1", &[]).is_local);
    let unsaid = client("127.0.0.1", &[("x-forwarded-proto", "https")]);
    assert_eq!(unsaid, Client::behind(address("127.0.0.1")), "it forwards, and says for nobody");
    assert!(client("::1", &[]).is_local);
}

#[test]
fn what_cannot_be_read_counts_as_the_proxys_own_and_is_never_local() {
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
fn a_household_of_ipv6_is_one_place() {
    let place = |text: &str| Client::at(address(text)).place();
    assert_eq!(place("2001:db8:1:2:aaaa::1"), place("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
    assert_ne!(place("198.51.100.7"), place("198.51.100.8"));
}

#[test]
fn what_is_no_list_of_networks_is_said_so() {
    for text in ["10.0.0.0/33", "localhost", "10.0.0.1,", "10.0.0.0/8;::1", "10.0.0.1:80"] {
        assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
    }
    assert_eq!("".parse(), Ok(TrustedProxies::default()));
}
