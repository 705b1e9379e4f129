//! Detects requests that a proxy has forwarded.

use actix_web::http::header::HeaderMap;

/// Whether the request has a header of a proxy. A request without one may have been forwarded too: some proxies add none.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| is_proxy_header(name.as_str()))
}

/// Expects the name in lower case.
fn is_proxy_header(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
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
