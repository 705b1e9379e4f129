//! The settings of tracing, parsed from OpenTelemetry's own variables.

use url::Url;

use super::sampler::Sampler;
use super::variables;

/// The path of traces at a collector that speaks HTTP.
const HTTP_PATH: &str = "v1/traces";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    /// Protobuf in the body of an HTTP request.
    Http,
}

/// The settings as text, each with its variable.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawTraceSettings<'a> {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: Option<&'a str>,
    /// `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub protocol: &'a str,
    /// `OTEL_TRACES_SAMPLER`.
    pub sampler: &'a str,
    /// `OTEL_TRACES_SAMPLER_ARG`.
    pub sampler_arg: Option<&'a str>,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: Option<&'a str>,
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub resource_attributes: Option<&'a str>,
}

#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// For HTTP with the path.
    pub(super) endpoint: String,
    pub(super) protocol: Protocol,
    pub(super) sampler: Sampler,
    /// Attributes of this service, beyond the SDK's own.
    pub(super) resource: Vec<(String, String)>,
}

/// An invalid setting, as a sentence that names it and the valid values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TraceSettingsError(pub(super) String);

impl TraceSettings {
    /// Parses the settings; `None` if there is no endpoint, so that nothing is traced. Invalid settings fail in this case, too,
    /// so that they are noticed before traces are turned on.
    pub fn parse(raw: RawTraceSettings<'_>) -> Result<Option<Self>, TraceSettingsError> {
        let protocol = protocol(raw.protocol)?;
        let sampler = Sampler::parse(raw.sampler, given(raw.sampler_arg)).map_err(TraceSettingsError)?;
        let mut resource = attributes(given(raw.resource_attributes).unwrap_or_default())?;
        if let Some(name) = given(raw.service_name) {
            resource.retain(|(key, _)| key != SERVICE_NAME);
            resource.push((SERVICE_NAME.to_owned(), name.to_owned()));
        }
        let is_on = variables::allow_tracing(|name| std::env::var(name).ok())?;
        let Some(endpoint) = given(raw.endpoint).filter(|_| is_on) else { return Ok(None) };
        Ok(Some(Self { endpoint: address(endpoint, protocol)?, protocol, sampler, resource }))
    }
}

/// The attribute of the service's name.
pub(super) const SERVICE_NAME: &str = "service.name";

/// An empty variable counts as not set.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn protocol(text: &str) -> Result<Protocol, TraceSettingsError> {
    match text.trim() {
        "grpc" => Ok(Protocol::Grpc),
        "" | "http/protobuf" => Ok(Protocol::Http),
        _ => Err(TraceSettingsError(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL '{text}' is not supported: use grpc or http/protobuf"
        ))),
    }
}

fn address(text: &str, protocol: Protocol) -> Result<String, TraceSettingsError> {
    let url = Url::parse(text).ok();
    let is_address = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if !url.as_ref().is_some_and(is_address) {
        // Not shown, because it may contain a password.
        return Err(TraceSettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: write it as http://localhost:4318 (http/protobuf) or \
             http://localhost:4317 (grpc)"
                .to_owned(),
        ));
    }
    Ok(match protocol {
        Protocol::Grpc => text.to_owned(),
        Protocol::Http => format!("{}/{HTTP_PATH}", text.trim_end_matches('/')),
    })
}

/// Parses `key=value,key=value` with percent-encoded values.
fn attributes(text: &str) -> Result<Vec<(String, String)>, TraceSettingsError> {
    let attribute = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let (key, value) = (key.trim(), decoded(value.trim())?);
        (!key.is_empty()).then(|| (key.to_owned(), value))
    };
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs.map(attribute).collect::<Option<_>>().ok_or_else(|| {
        TraceSettingsError(
            "OTEL_RESOURCE_ATTRIBUTES is invalid: write it as deployment.environment.name=prod,team=coupons \
             (percent-encoded)"
                .to_owned(),
        )
    })
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Protocol, RawTraceSettings, TraceSettings};

    fn read(raw: RawTraceSettings<'_>) -> TraceSettings {
        TraceSettings::parse(raw).unwrap().unwrap()
    }

    #[test]
    fn without_an_endpoint_nothing_is_traced() {
        for endpoint in [None, Some(""), Some(" ")] {
            assert!(
                TraceSettings::parse(RawTraceSettings { endpoint, ..Default::default() }).unwrap().is_none()
            );
        }
    }

    #[test]
    fn the_path_is_added_to_an_endpoint_of_http_and_not_of_grpc() {
        for endpoint in ["http://c:4318", "http://c:4318/"] {
            let settings = read(RawTraceSettings { endpoint: Some(endpoint), ..Default::default() });
            assert_eq!(
                (settings.endpoint.as_str(), settings.protocol),
                ("http://c:4318/v1/traces", Protocol::Http)
            );
        }
        let raw =
            RawTraceSettings { endpoint: Some("https://c:4317"), protocol: "grpc", ..Default::default() };
        assert_eq!((read(raw).endpoint.as_str(), read(raw).protocol), ("https://c:4317", Protocol::Grpc));
    }

    #[test]
    fn attributes_are_decoded_and_the_service_name_overrides_theirs() {
        let raw = RawTraceSettings {
            endpoint: Some("http://c"),
            service_name: Some("drop"),
            resource_attributes: Some("a=b%2C%20c, service.name=other ,,d="),
            ..Default::default()
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(read(raw).resource, [pair("a", "b, c"), pair("d", ""), pair("service.name", "drop")]);
    }

    #[test]
    fn invalid_settings_are_refused_even_without_an_endpoint() {
        for (raw, name) in [
            (RawTraceSettings { protocol: "http/json", ..Default::default() }, "OTEL_EXPORTER_OTLP_PROTOCOL"),
            (RawTraceSettings { endpoint: Some("collector:4318"), ..Default::default() }, "OTLP_ENDPOINT"),
            (RawTraceSettings { endpoint: Some("ftp://c"), ..Default::default() }, "OTLP_ENDPOINT"),
            (RawTraceSettings { sampler: "some", ..Default::default() }, "OTEL_TRACES_SAMPLER"),
            (
                RawTraceSettings { sampler: "traceidratio", sampler_arg: Some("2"), ..Default::default() },
                "OTEL_TRACES_SAMPLER_ARG",
            ),
            (
                RawTraceSettings { resource_attributes: Some("a"), ..Default::default() },
                "OTEL_RESOURCE_ATTRIBUTES",
            ),
            (
                RawTraceSettings { resource_attributes: Some("a=%zz"), ..Default::default() },
                "OTEL_RESOURCE_ATTRIBUTES",
            ),
        ] {
            let error = TraceSettings::parse(raw).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
