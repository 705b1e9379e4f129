//! Which requests are traced.

use std::collections::BTreeSet;

use crate::members::{REQUEST, ask, traced};
use crate::receiver::Receiver;
use crate::support::node::NodeProcess;
use crate::support::races::create_coupon;

const REQUESTS: usize = 64;
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// The traces that members were told of, and those that were received, of a node with this sampler.
async fn told_and_received(
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
    let mut told = BTreeSet::new();
    for number in 0..REQUESTS {
        let answer = ask(node.address(), "drop", &format!("m{number}"), traceparent).await;
        assert_eq!(answer.status, 201);
        told.extend(answer.trace());
    }
    // What is left is sent before it ends, so that nothing can come later.
    assert_eq!(node.terminate().await, Some(0));
    let requests = receiver.spans().into_iter().filter(|span| span.span.name == REQUEST);
    (told, requests.map(|span| span.trace()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_traced_and_exactly_those_are_told() {
    let (told, received) = told_and_received("parentbased_traceidratio", "0.5", None).await;
    assert_eq!(told, received);
    // Half of 64 by chance: none or all of them once in 10^19.
    assert!((1..REQUESTS).contains(&told.len()), "{}", told.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_traces_is_followed_and_one_who_does_not_is_not() {
    let trace = SAMPLED.split('-').nth(1).expect("it has a trace").to_owned();
    let (told, received) = told_and_received("parentbased_traceidratio", "0", Some(SAMPLED)).await;
    assert_eq!((&told, &received), (&BTreeSet::from([trace]), &told));
    let (told, received) = told_and_received("parentbased_always_on", "", Some(UNSAMPLED)).await;
    assert!(told.is_empty() && received.is_empty(), "{told:?} {received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn none_is_traced_where_none_is_to_be() {
    for (sampler, argument) in [("always_off", ""), ("traceidratio", "0")] {
        for traceparent in [None, Some(SAMPLED)] {
            let (told, received) = told_and_received(sampler, argument, traceparent).await;
            assert!(told.is_empty() && received.is_empty(), "{sampler} {argument}: {told:?} {received:?}");
        }
    }
}
