//! HTTP client of the operators' commands. A problem that the node answers becomes a one-line failure.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::failure::Failure;
use crate::bootstrap::{SettingsError, is_sendable};

const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const ANSWER_MAX_BYTES: u64 = 16 * 1024 * 1024;

pub(super) struct ApiClient {
    http: Client,
    server: String,
    token: Option<String>,
}

impl ApiClient {
    pub(super) fn new(server: &str, token: Option<String>) -> Result<Self, Failure> {
        let url = url::Url::parse(server).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none_or(|url| url.host().is_none()) {
            return Err(Failure::operator(format!(
                "'{server}' is not an http:// URL: check --server or OPENRUN_SERVER"
            )));
        }
        let http = Client::builder().timeout(CALL_TIMEOUT).no_proxy().build().map_err(Failure::operator)?;
        let token = token.filter(|token| !token.is_empty());
        if token.as_deref().is_some_and(|token| !is_sendable(token)) {
            return Err(SettingsError::UnsendableToken.into());
        }
        Ok(Self { http, server: server.trim_end_matches('/').to_owned(), token })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.call(Method::POST, path, body).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if response.content_length().is_some_and(|length| length > ANSWER_MAX_BYTES) {
            return Err(self.not_openrun(status));
        }
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let answer: Value = serde_json::from_slice(&body).map_err(|_| self.not_openrun(status))?;
        if status.is_success() {
            return Ok(answer);
        }
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        match (text("code"), text("detail")) {
            (Some(code), Some(detail)) => Err(Failure::Refused(format!("{code}: {detail}"))),
            _ => Err(self.not_openrun(status)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "does not answer in time"
        } else if error.is_connect() {
            "cannot be reached"
        } else {
            "does not speak HTTP"
        };
        Failure::operator(format!(
            "{} {why}: start `openrun serve` there, or set OPENRUN_SERVER",
            self.server
        ))
    }

    fn not_openrun(&self, status: StatusCode) -> Failure {
        Failure::operator(format!(
            "{} answered {status}, but is not an openrun node: check OPENRUN_SERVER",
            self.server
        ))
    }
}

/// `text` percent-encoded as one segment of a path; `.` too, because `..` would leave the path.
pub(super) fn encoded(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    let byte = |byte: u8| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn an_encoded_text_is_a_single_segment() {
        assert_eq!(encoded("coupon-event/summer_1"), "coupon-event%2Fsummer_1");
        assert_eq!(encoded("../쿠?#%"), "%2E%2E%2F%EC%BF%A0%3F%23%25");
        assert_eq!(encoded(""), "");
    }
}
