//! Whether a request has come by way of a proxy, as far as it shows.

use actix_web::http::header::HeaderMap;

/// Whether anybody says that the request was forwarded. That is never said of a request that was not, but a proxy may
/// forward one and say nothing.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| is_a_proxys(name.as_str()))
}

/// Whether proxies write this header, whose name is in lower case.
fn is_a_proxys(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use super::is_a_proxys;

    #[test]
    fn only_what_proxies_write_gives_them_away() {
        for name in
            ["forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
        {
            assert!(is_a_proxys(name), "{name}");
        }
        for name in ["host", "x-request-id", "x-forwarded", "traceparent", "authorization"] {
            assert!(!is_a_proxys(name), "{name}");
        }
    }
}
