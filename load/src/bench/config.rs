//! The parameters of a bench.

use std::path::PathBuf;
use std::time::Duration;

/// The engines that are measured by default. `--engines` accepts any name that `OPENRUN_ENGINE` does.
pub const ENGINES: &[&str] =
    &["embedded", "redis-lua", "redis-lock", "postgres-pessimistic", "postgres-optimistic"];

/// The engine that needs no services. The bench starts all of them for any other engine.
pub(super) const EMBEDDED: &str = "embedded";

/// Measures each engine once more with other settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// A suffix for the names of the engines.
    pub name: String,
    /// Environment variables of the node.
    pub settings: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct BenchConfig {
    /// The binary under test.
    pub openrun: PathBuf,
    /// This program, which also serves the bare handlers.
    pub openrun_load: PathBuf,
    pub engines: Vec<String>,
    pub variants: Vec<Variant>,
    pub rounds: u32,
    /// Of each measurement.
    pub duration: Duration,
    /// Before each measurement.
    pub warm_up: Duration,
    pub connections: usize,
    pub threads: usize,
    /// Whether to measure the FastAPI stack, too.
    pub peers: bool,
    /// Whether to measure "sold out" by wrk, too.
    pub wrk: bool,
}

impl BenchConfig {
    /// A bench with defaults for everything else.
    #[must_use]
    pub fn new(openrun: PathBuf, openrun_load: PathBuf) -> Self {
        Self {
            openrun,
            openrun_load,
            engines: ENGINES.iter().map(|name| (*name).to_owned()).collect(),
            variants: Vec::new(),
            rounds: 5,
            duration: Duration::from_secs(5),
            warm_up: Duration::from_secs(1),
            connections: 64,
            threads: 1,
            peers: false,
            wrk: false,
        }
    }
}

impl std::str::FromStr for Variant {
    type Err = String;

    /// Parses `NAME:SETTING=VALUE,SETTING=VALUE`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed =
            || format!("`{text}` is no variant: write it as quiet:OPENRUN_LOG=error,OPENRUN_WORKERS=1");
        let (name, settings) = text.split_once(':').ok_or_else(malformed)?;
        let setting = |setting: &str| {
            let (name, value) = setting.split_once('=')?;
            let is_setting = name.starts_with("OPENRUN_") || name.starts_with("OTEL_");
            is_setting.then(|| (name.to_owned(), value.to_owned()))
        };
        let settings: Option<Vec<_>> = settings.split(',').map(setting).collect();
        match settings {
            Some(settings) if !name.is_empty() => Ok(Self { name: name.to_owned(), settings }),
            _ => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_a_name_and_settings() {
        let variant: Variant = "traced:OPENRUN_A=0.01,OPENRUN_B=http://x:1/y=z".parse().unwrap();
        assert_eq!(variant.name, "traced");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(variant.settings, [pair("OPENRUN_A", "0.01"), pair("OPENRUN_B", "http://x:1/y=z")]);
        let traced: Variant = "traced:OTEL_TRACES_SAMPLER_ARG=0.01".parse().unwrap();
        assert_eq!(traced.settings, [pair("OTEL_TRACES_SAMPLER_ARG", "0.01")]);
        for text in ["", "name", "name:", ":OPENRUN_A=1", "name:OPENRUN_A", "name:PATH=/tmp"] {
            assert!(text.parse::<Variant>().is_err(), "{text}");
        }
    }
}
