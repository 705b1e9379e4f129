//! Headers of proxies. A hop of `X-Forwarded-For` or `Forwarded` (RFC 7239) without a readable address is `None`.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

use crate::http::header_values::{has_open_quote, split, unquote};

/// Whether the request has a header of a proxy. A request without one may have been forwarded too: some proxies add none.
pub(in crate::http) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| is_proxy_header(name.as_str()))
}

/// Expects the name in lower case.
fn is_proxy_header(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// The hops of `X-Forwarded-For`, from the client on; `None` if the header is absent.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let list = joined(headers, X_FORWARDED_FOR)?;
    Some(list.split(',').map(|hop| address(hop.trim())).collect())
}

/// The hops of `Forwarded`, from the client on; `None` if the header is absent. One mistake invalidates the whole
/// header: a client could have made it on purpose, and clients write before the hop that counts.
pub(super) fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let list = joined(headers, FORWARDED)?;
    let hops = if has_open_quote(&list) { None } else { split(&list, ',').map(client_of).collect() };
    Some(hops.unwrap_or_else(|| vec![None]))
}

/// All lines of a header as one list; `None` if it is absent or empty.
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    // A line that is no text becomes an unreadable hop.
    let lines: Vec<&str> = headers.get_all(name).map(|value| value.to_str().unwrap_or("?")).collect();
    let list = lines.join(", ");
    (!list.trim().is_empty()).then_some(list)
}

/// The address in the `for` of one element, if it has one. The outer `None` means that the element is malformed.
fn client_of(element: &str) -> Option<Option<IpAddr>> {
    let mut client = None;
    for pair in split(element, ';') {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") && client.replace(address(&unquote(value)?)).is_some() {
            return None;
        }
    }
    Some(client.flatten())
}

/// Parses an address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    bare.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::is_proxy_header;

    #[test]
    fn headers_of_proxies_are_detected() {
        for name in
            ["forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
        {
            assert!(is_proxy_header(name), "{name}");
        }
        for name in ["host", "x-request-id", "x-forwarded", "traceparent", "authorization"] {
            assert!(!is_proxy_header(name), "{name}");
        }
    }
}
