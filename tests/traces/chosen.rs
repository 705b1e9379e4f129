//! The samplers: which requests are traced.

use std::collections::BTreeSet;

use crate::members::{REQUEST, request_coupon, traced};
use crate::receiver::Receiver;
use crate::support::node::NodeProcess;
use crate::support::races::create_coupon;

const REQUESTS: usize = 64;
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// The traces named in the answers of a node with this sampler, and the traces that the collector received.
async fn answered_and_received(
    sampler: &str,
    argument: &str,
    traceparent: Option<&str>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let receiver = Receiver::http();
    let node = traced(NodeProcess::embedded(), &receiver, "http/protobuf")
        .set("OTEL_TRACES_SAMPLER", sampler)
        .set("OTEL_TRACES_SAMPLER_ARG", argument);
    let mut node = node.start().await;
    create_coupon(node.address(), "drop", u32::try_from(REQUESTS).expect("few")).await;
    let mut answered = BTreeSet::new();
    for number in 0..REQUESTS {
        let answer = request_coupon(node.address(), "drop", &format!("m{number}"), traceparent).await;
        assert_eq!(answer.status, 201);
        answered.extend(answer.trace());
    }
    // The node sends the remaining spans before it ends.
    assert_eq!(node.terminate().await, Some(0));
    let requests = receiver.spans().into_iter().filter(|span| span.span.name == REQUEST);
    (answered, requests.map(|span| span.trace()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ratio_samples_a_share_of_the_requests_and_answers_name_exactly_those() {
    let (answered, received) = answered_and_received("parentbased_traceidratio", "0.5", None).await;
    assert_eq!(answered, received);
    // Half of 64 by chance: none or all of them once in 10^19.
    assert!((1..REQUESTS).contains(&answered.len()), "{}", answered.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_based_sampler_follows_the_decision_of_the_caller() {
    let trace = SAMPLED.split('-').nth(1).expect("it has a trace").to_owned();
    let (answered, received) = answered_and_received("parentbased_traceidratio", "0", Some(SAMPLED)).await;
    assert_eq!((&answered, &received), (&BTreeSet::from([trace]), &answered));
    let (answered, received) = answered_and_received("parentbased_always_on", "", Some(UNSAMPLED)).await;
    assert!(answered.is_empty() && received.is_empty(), "{answered:?} {received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampler_that_is_off_traces_nothing() {
    for (sampler, argument) in [("always_off", ""), ("traceidratio", "0")] {
        for traceparent in [None, Some(SAMPLED)] {
            let (answered, received) = answered_and_received(sampler, argument, traceparent).await;
            let is_empty = answered.is_empty() && received.is_empty();
            assert!(is_empty, "{sampler} {argument}: {answered:?} {received:?}");
        }
    }
}
