//! Checks OpenTelemetry's variables that the SDK reads itself: it would ignore an invalid value or fail on it.

use super::settings::TraceSettingsError;

/// Limit of the queue of spans. The SDK allocates the queue at the start, and a span takes some kilobytes.
const QUEUE_MAX: u64 = 1_000_000;
/// A day.
const WAIT_MAX_MS: u64 = 86_400_000;

/// Variables with a positive number, each with its limit.
const NUMBERS: [(&str, u64); 6] = [
    ("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_MAX),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", QUEUE_MAX),
    ("OTEL_BSP_SCHEDULE_DELAY", WAIT_MAX_MS),
    ("OTEL_BSP_EXPORT_TIMEOUT", WAIT_MAX_MS),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", WAIT_MAX_MS),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", WAIT_MAX_MS),
];

/// Whether these variables allow tracing. `read` returns the value of a variable; the error names an invalid one.
pub(super) fn allow_tracing(read: impl Fn(&str) -> Option<String>) -> Result<bool, TraceSettingsError> {
    let given = |name| read(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    for (name, max) in NUMBERS {
        let Some(text) = given(name) else { continue };
        if !text.parse().is_ok_and(|number: u64| (1..=max).contains(&number)) {
            return Err(TraceSettingsError(format!("{name} must be a number between 1 and {max}")));
        }
    }
    let exporter = given("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
    if !["otlp", "none"].contains(&exporter.as_str()) {
        let why = format!("OTEL_TRACES_EXPORTER '{exporter}' is not supported: use otlp, or none");
        return Err(TraceSettingsError(why));
    }
    let is_disabled = given("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    Ok(!is_disabled && exporter == "otlp")
}

#[cfg(test)]
mod tests {
    use super::allow_tracing;

    fn with(name: &str, value: &str) -> Result<bool, String> {
        allow_tracing(|read| (read == name).then(|| value.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn traces_can_be_turned_off_by_the_variables_of_the_sdk() {
        assert_eq!(allow_tracing(|_| None), Ok(true));
        assert_eq!(with("OTEL_SDK_DISABLED", "True"), Ok(false));
        assert_eq!(with("OTEL_SDK_DISABLED", "false"), Ok(true));
        assert_eq!(with("OTEL_TRACES_EXPORTER", "none"), Ok(false));
        assert_eq!(with("OTEL_TRACES_EXPORTER", "otlp"), Ok(true));
    }

    #[test]
    fn an_invalid_value_is_refused_with_the_name_of_its_variable() {
        for (name, value) in [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ] {
            let error = with(name, value).expect_err(value);
            assert!(error.contains(name), "{error}");
        }
        assert_eq!(with("OTEL_BSP_MAX_QUEUE_SIZE", " 2048 "), Ok(true));
        assert_eq!(with("OTEL_BSP_MAX_QUEUE_SIZE", ""), Ok(true), "an empty variable counts as not set");
    }
}
