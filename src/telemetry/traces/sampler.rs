//! Which requests are traced: decided before anything is made for them.

use opentelemetry::trace::TraceId;

use super::context;
use crate::domain::Traceparent;

/// Decides by OpenTelemetry's rules, so that services which share a ratio choose the same traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    /// Whether the caller's decision is taken over, where there is a caller.
    follows_parent: bool,
    rule: Rule,
}

/// How a trace that nobody has decided about is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// All of them, or none.
    Always(bool),
    /// Those whose lower 63 bits are below this.
    Below(u64),
}

impl Sampler {
    /// Reads a sampler's name and argument; an empty name is OpenTelemetry's default.
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
                    "OTEL_TRACES_SAMPLER '{name}' is no sampler: use always_on, always_off or traceidratio, or one of \
                     them after parentbased_"
                ));
            }
        };
        Ok(Self { follows_parent, rule })
    }

    /// Whether what has this context is traced.
    pub(super) fn takes(self, parent: &Traceparent) -> bool {
        if self.follows_parent {
            context::is_sampled(parent)
        } else {
            self.takes_new(context::trace_id(parent))
        }
    }

    /// Whether a new trace of this id is one.
    pub(super) fn takes_new(self, trace: TraceId) -> bool {
        match self.rule {
            Rule::Always(always) => always,
            Rule::Below(bound) => {
                let [_, _, _, _, _, _, _, _, low @ ..] = trace.to_bytes();
                u64::from_be_bytes(low) >> 1 < bound
            }
        }
    }

    /// Whether a new trace may be one: if not, no id need be drawn.
    pub(super) fn begins_any(self) -> bool {
        !matches!(self.rule, Rule::Always(false) | Rule::Below(0))
    }
}

/// The share of all ids as the bound of the lower 63 bits.
fn bound(argument: Option<&str>) -> Result<u64, String> {
    let share: f64 = match argument {
        None => 1.0,
        Some(text) => text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
            format!("OTEL_TRACES_SAMPLER_ARG '{text}' is no share: use a number from 0 to 1, such as 0.01")
        })?,
    };
    // Rounding to the nearest float is as exact as a share can be meant.
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
    fn a_parents_word_counts_where_it_is_asked_for() {
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
            let said = (sampler.takes(&parent("01")), sampler.takes(&parent("00")));
            assert_eq!(said, (of_sampled, of_unsampled), "{name} {argument}");
            assert_eq!(sampler.takes_new(TraceId::from(7)), of_new, "{name} {argument}");
            assert_eq!(sampler.begins_any(), of_new, "{name} {argument}");
        }
        // Other flags than the lowest say nothing about it.
        assert!(sampler("", "").takes(&parent("03")) && !sampler("", "").takes(&parent("02")));
    }

    #[test]
    fn a_ratio_takes_the_lower_part_of_the_ids_as_other_services_do() {
        let quarter = sampler("traceidratio", "0.25");
        let id = |low: u64| TraceId::from(u128::from(low) | 1 << 100);
        for (low, taken) in [(0, true), ((1 << 62) - 1, true), (1 << 62, false), (u64::MAX, false)] {
            assert_eq!(quarter.takes_new(id(low)), taken, "{low:x}");
        }
    }

    #[test]
    fn what_is_no_sampler_is_refused() {
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
