//! What has become of spans, as metrics.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Opts};

use super::traces::span_counts;

/// Name, help, and which count.
type Series = (&'static str, &'static str, fn() -> u64);

const SERIES: [Series; 3] = [
    ("trace_spans_ended_total", "Spans of the requests that are traced", || span_counts().ended),
    ("trace_spans_delivered_total", "Spans that the receiver of traces has taken", || {
        span_counts().delivered
    }),
    ("trace_spans_lost_total", "Spans that the receiver of traces did not take", || span_counts().lost),
];

/// Reads the counts whenever it is asked: spans are made before there are metrics.
#[derive(Debug, Clone)]
pub(super) struct SpanSeries {
    descriptions: Vec<Desc>,
}

impl SpanSeries {
    pub(super) fn new() -> prometheus::Result<Self> {
        let counters = SERIES.iter().map(counter).collect::<prometheus::Result<Vec<_>>>()?;
        Ok(Self { descriptions: counters.iter().flat_map(Collector::desc).cloned().collect() })
    }
}

fn counter((name, help, _): &Series) -> prometheus::Result<IntCounter> {
    IntCounter::with_opts(Opts::new(*name, *help).namespace("openrun"))
}

impl Collector for SpanSeries {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let read = |series: &Series| {
            let counter = counter(series).ok()?;
            counter.inc_by(series.2());
            Some(counter.collect())
        };
        SERIES.iter().filter_map(read).flatten().collect()
    }
}
