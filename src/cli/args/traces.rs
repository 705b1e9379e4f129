//! Arguments of tracing. Their variables are OpenTelemetry's own, so that one environment serves all programs.

use clap::Args;

use crate::telemetry::{RawTraceSettings, TraceSettings, TraceSettingsError};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct TraceArgs {
    /// OTLP collector of traces, such as http://localhost:4318; without it nothing is traced
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    otlp_endpoint: Option<String>,

    /// Protocol of the collector: `http/protobuf` or `grpc`
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_PROTOCOL",
        default_value = "http/protobuf",
        value_name = "PROTOCOL"
    )]
    otlp_protocol: String,

    /// Sampler of requests: `always_on`, `always_off` or `traceidratio`, alone or after `parentbased_`
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER",
        default_value = "parentbased_always_on",
        value_name = "SAMPLER"
    )]
    traces_sampler: String,

    /// Share of `traceidratio`, from 0 to 1 [default: 1]
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "SHARE")]
    traces_sampler_arg: Option<String>,

    /// Name of this service in traces [default: openrun]
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    service_name: Option<String>,

    /// More attributes of this service, such as deployment.environment.name=prod,team=coupons
    #[arg(long, env = "OTEL_RESOURCE_ATTRIBUTES", value_name = "ATTRIBUTES")]
    resource_attributes: Option<String>,
}

impl TraceArgs {
    /// `None` if nothing is traced.
    pub(in crate::cli) fn settings(&self) -> Result<Option<TraceSettings>, TraceSettingsError> {
        TraceSettings::parse(RawTraceSettings {
            endpoint: self.otlp_endpoint.as_deref(),
            protocol: &self.otlp_protocol,
            sampler: &self.traces_sampler,
            sampler_arg: self.traces_sampler_arg.as_deref(),
            service_name: self.service_name.as_deref(),
            resource_attributes: self.resource_attributes.as_deref(),
        })
    }
}
