//! OpenTelemetry's variables that the SDK reads by itself, and of which it takes what cannot be for what is not there, or
//! for granted: they are looked at before it does.

use super::settings::TraceSettingsError;

/// The largest queue of spans: each may be some kilobytes, and room for all is made at the start.
const QUEUE_MAX: u64 = 1_000_000;
/// A day. Whoever waits longer for spans does not wait for them.
const WAIT_MAX_MS: u64 = 86_400_000;

/// Numbers, and the largest that makes sense. None of them may be zero.
const NUMBERS: [(&str, u64); 6] = [
    ("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_MAX),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", QUEUE_MAX),
    ("OTEL_BSP_SCHEDULE_DELAY", WAIT_MAX_MS),
    ("OTEL_BSP_EXPORT_TIMEOUT", WAIT_MAX_MS),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", WAIT_MAX_MS),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", WAIT_MAX_MS),
];

/// Whether anything is to be traced, as far as these variables say; `read` gives a variable's value.
///
/// # Errors
/// [`TraceSettingsError`] names the variable.
pub(super) fn are_on(read: impl Fn(&str) -> Option<String>) -> Result<bool, TraceSettingsError> {
    let given = |name| read(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    for (name, most) in NUMBERS {
        let Some(text) = given(name) else { continue };
        if !text.parse().is_ok_and(|number: u64| (1..=most).contains(&number)) {
            return Err(TraceSettingsError::new(format!("{name} must be a number between 1 and {most}")));
        }
    }
    let exporter = given("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
    if !["otlp", "none"].contains(&exporter.as_str()) {
        let why = format!("OTEL_TRACES_EXPORTER '{exporter}' is not there: use otlp, or none");
        return Err(TraceSettingsError::new(why));
    }
    let is_disabled = given("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    Ok(!is_disabled && exporter == "otlp")
}

#[cfg(test)]
mod tests {
    use super::are_on;

    fn with(name: &str, value: &str) -> Result<bool, String> {
        are_on(|asked| (asked == name).then(|| value.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn traces_can_be_turned_off_by_the_variables_of_the_sdk() {
        assert_eq!(are_on(|_| None), Ok(true));
        assert_eq!(with("OTEL_SDK_DISABLED", "True"), Ok(false));
        assert_eq!(with("OTEL_SDK_DISABLED", "false"), Ok(true));
        assert_eq!(with("OTEL_TRACES_EXPORTER", "none"), Ok(false));
        assert_eq!(with("OTEL_TRACES_EXPORTER", "otlp"), Ok(true));
    }

    #[test]
    fn what_the_sdk_would_swallow_is_told_by_name() {
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
        assert_eq!(with("OTEL_BSP_MAX_QUEUE_SIZE", ""), Ok(true), "an empty one is not set");
    }
}
