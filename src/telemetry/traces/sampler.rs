//! Decides which requests are traced, before a span is created.

use opentelemetry::trace::TraceId;

use super::context;
use crate::domain::Traceparent;

/// Decides by OpenTelemetry's rules, so that services with the same ratio choose the same traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    /// Whether the decision of a traced caller counts, instead of `rule`.
    follows_parent: bool,
    rule: Rule,
}

/// The decision on a trace without a caller's decision.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// All traces, or none.
    Always(bool),
    /// Traces with ids of which the upper 63 of the lower 64 bits are below this bound.
    Below(u64),
}

impl Sampler {
    /// Parses a sampler's name and argument; an empty name is OpenTelemetry's default.
    pub(super) fn parse(name: &str, argument: Option<&str>) -> Result<Self, String> {
        let name = name.trim();
        let (follows_parent, rule) = match name.strip_prefix("parentbased_") {
            _ if name.is_empty() => (true, "always_on"),
            Some(rule) => (true, rule),
            None => (false, name),
        };
        let rule = match rule {
            "always_on" => Rule::Always(true),
            "always_off" => Rule::Always(false),
            "traceidratio" => Rule::Below(bound(argument)?),
            _ => {
                return Err(format!(
                    "OTEL_TRACES_SAMPLER '{name}' is unknown: use always_on, always_off or traceidratio, alone or after \
                     parentbased_"
                ));
            }
        };
        Ok(Self { follows_parent, rule })
    }

    /// Whether work with this context is traced.
    pub(super) fn samples(self, parent: &Traceparent) -> bool {
        if self.follows_parent {
            context::is_sampled(parent)
        } else {
            self.samples_new(context::trace_id(parent))
        }
    }

    /// Whether a new trace with this id is recorded.
    pub(super) fn samples_new(self, trace: TraceId) -> bool {
        match self.rule {
            Rule::Always(always) => always,
            Rule::Below(bound) => {
                let [_, _, _, _, _, _, _, _, low @ ..] = trace.to_bytes();
                u64::from_be_bytes(low) >> 1 < bound
            }
        }
    }

    /// Whether any new trace is recorded; if not, no id needs to be generated.
    pub(super) fn may_sample_new(self) -> bool {
        !matches!(self.rule, Rule::Always(false) | Rule::Below(0))
    }
}

/// The share of all ids as a bound of 63 bits.
fn bound(argument: Option<&str>) -> Result<u64, String> {
    let share: f64 = match argument {
        None => 1.0,
        Some(text) => text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
            format!("OTEL_TRACES_SAMPLER_ARG '{text}' is invalid: use a number from 0 to 1, such as 0.01")
        })?,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is from 0 to 1")]
    Ok((share * (1_u64 << 63) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceId;

    use super::Sampler;
    use crate::domain::Traceparent;

    fn parent(flags: &str) -> Traceparent {
        Traceparent::parse(&format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}")).unwrap()
    }

    fn sampler(name: &str, argument: &str) -> Sampler {
        Sampler::parse(name, Some(argument).filter(|text| !text.is_empty())).unwrap()
    }

    #[test]
    fn a_parent_based_sampler_follows_the_parent_and_others_do_not() {
        for (name, argument, of_sampled, of_unsampled, of_new) in [
            ("", "", true, false, true),
            ("always_on", "", true, true, true),
            ("always_off", "", false, false, false),
            ("parentbased_always_on", "", true, false, true),
            ("parentbased_always_off", "", true, false, false),
            ("parentbased_traceidratio", "0", true, false, false),
            ("traceidratio", "0", false, false, false),
            ("traceidratio", "1", true, true, true),
            ("traceidratio", "", true, true, true),
        ] {
            let sampler = sampler(name, argument);
            assert_eq!(sampler.samples(&parent("01")), of_sampled, "{name} {argument}");
            assert_eq!(sampler.samples(&parent("00")), of_unsampled, "{name} {argument}");
            assert_eq!(sampler.samples_new(TraceId::from(7)), of_new, "{name} {argument}");
            assert_eq!(sampler.may_sample_new(), of_new, "{name} {argument}");
        }
        // Only the lowest flag counts.
        assert!(sampler("", "").samples(&parent("03")) && !sampler("", "").samples(&parent("02")));
    }

    #[test]
    fn a_ratio_samples_the_lower_part_of_the_ids_like_other_services() {
        let quarter = sampler("traceidratio", "0.25");
        let id = |low: u64| TraceId::from(u128::from(low) | 1 << 100);
        for (low, is_sampled) in [(0, true), ((1 << 62) - 1, true), (1 << 62, false), (u64::MAX, false)] {
            assert_eq!(quarter.samples_new(id(low)), is_sampled, "{low:x}");
        }
    }

    #[test]
    fn an_unknown_sampler_or_share_is_refused() {
        for (name, argument) in [
            ("on", ""),
            ("parentbased_", ""),
            ("jaeger_remote", ""),
            ("traceidratio", "x"),
            ("traceidratio", "-0.1"),
            ("traceidratio", "1.1"),
            ("traceidratio", "NaN"),
        ] {
            assert!(Sampler::parse(name, Some(argument)).is_err(), "{name} {argument}");
        }
    }
}
