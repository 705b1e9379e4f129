//! Reading `X-Forwarded-For` and `Forwarded` (RFC 7239): each hop as an address, or as none where nobody can tell.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

/// The hops that `X-Forwarded-For` names, from the client on; none if it is not there.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let list = joined(headers, X_FORWARDED_FOR)?;
    Some(list.split(',').map(|hop| address(hop.trim())).collect())
}

/// The hops that `Forwarded` names, from the client on; none if it is not there. One mistake and nothing of it counts:
/// whoever could have made it on purpose stands before the hop that matters.
pub(super) fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let list = joined(headers, FORWARDED)?;
    let hops = parts(&list, ',').and_then(|elements| elements.into_iter().map(client_of).collect());
    Some(hops.unwrap_or_else(|| vec![None]))
}

/// All lines of a header as one; none if there is nothing in them.
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let mut whole = String::new();
    for value in headers.get_all(name) {
        if !whole.is_empty() {
            whole.push_str(", ");
        }
        // What is no text is no address either.
        whole.push_str(value.to_str().unwrap_or("?"));
    }
    (!whole.trim().is_empty()).then_some(whole)
}

/// The `for` of one element, if that is an address. The outer `None` means that the element is wrong.
fn client_of(element: &str) -> Option<Option<IpAddr>> {
    let mut found = None;
    for pair in parts(element, ';')? {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") && found.replace(address(unquoted(value)?)).is_some() {
            return None;
        }
    }
    Some(found.flatten())
}

/// What stands between separators that are not in quotes; `None` if a quote is left open.
fn parts(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut found, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                found.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[begin..]);
    (!quoted).then_some(found)
}

/// No address has a character that would have to be escaped.
fn unquoted(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    bare.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}
