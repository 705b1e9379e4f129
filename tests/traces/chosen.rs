//! Sampling: the requests that are traced.

use std::collections::BTreeSet;

use crate::members::{REQUEST, ask, traced};
use crate::receiver::Receiver;
use crate::support::node::NodeProcess;
use crate::support::races::create_coupon;

const REQUESTS: usize = 64;
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// The traces that responses name and the traces that the receiver got, of a node with this sampler.
async fn announced_and_received(
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
    let mut announced = BTreeSet::new();
    for number in 0..REQUESTS {
        let answer = ask(node.address(), "drop", &format!("m{number}"), traceparent).await;
        assert_eq!(answer.status, 201);
        announced.extend(answer.trace());
    }
    // The node sends the remaining spans before it exits.
    assert_eq!(node.terminate().await, Some(0));
    let requests = receiver.spans().into_iter().filter(|span| span.span.name == REQUEST);
    (announced, requests.map(|span| span.trace()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_requests_is_traced_and_their_responses_name_the_trace() {
    let (announced, received) = announced_and_received("parentbased_traceidratio", "0.5", None).await;
    assert_eq!(announced, received);
    // The probability of none or all of 64 is about 10^-19.
    assert!((1..REQUESTS).contains(&announced.len()), "{}", announced.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_sampling_decision_is_followed() {
    let trace = SAMPLED.split('-').nth(1).expect("a trace id").to_owned();
    let (announced, received) = announced_and_received("parentbased_traceidratio", "0", Some(SAMPLED)).await;
    assert_eq!((&announced, &received), (&BTreeSet::from([trace]), &announced));
    let (announced, received) = announced_and_received("parentbased_always_on", "", Some(UNSAMPLED)).await;
    assert!(announced.is_empty() && received.is_empty(), "{announced:?} {received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_traced_if_sampling_is_off() {
    for (sampler, argument) in [("always_off", ""), ("traceidratio", "0")] {
        for traceparent in [None, Some(SAMPLED)] {
            let (announced, received) = announced_and_received(sampler, argument, traceparent).await;
            let is_empty = announced.is_empty() && received.is_empty();
            assert!(is_empty, "{sampler} {argument}: {announced:?} {received:?}");
        }
    }
}
