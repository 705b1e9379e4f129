//! The limits for a client address and for a member.

use reqwest::Client;

use crate::gateway::{Answer, Gateway, GatewayBuilder, answer, client_at};
use crate::support::races::{http, until};
use crate::upstream::{Behavior, Upstream};

const BURST: usize = 5;

/// Sets limits that do not refill noticeably while a test runs.
fn strict(gateway: GatewayBuilder) -> GatewayBuilder {
    gateway.set("GATEWAY_CLIENT_RATE", "1r/m").set("GATEWAY_CLIENT_BURST", "5")
}

/// Sends as many requests as the bucket has tokens, and panics unless all are served.
async fn empty_the_bucket(gateway: &Gateway, client: &Client, headers: &[(&str, &str)]) {
    for _ in 0..=BURST {
        assert_eq!(list_coupons(gateway, client, headers).await.status, 201);
    }
}

async fn list_coupons(gateway: &Gateway, client: &Client, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.get(gateway.url("/v1/coupons"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

#[tokio::test]
async fn only_a_client_with_an_empty_bucket_gets_429() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = strict(Gateway::before(&[node.address])).start().await;
    empty_the_bucket(&gateway, http(), &[]).await;
    let before = node.requests().len();
    list_coupons(&gateway, http(), &[]).await.assert_problem(429, "rate_limited");
    gateway.click("c", "kim").await.assert_problem(429, "rate_limited");
    assert_eq!(node.requests().len(), before, "no further request reaches the node");
    empty_the_bucket(&gateway, &client_at("127.0.0.2"), &[]).await;
}

#[tokio::test]
async fn a_bucket_fills_up_again() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address])
        .set("GATEWAY_CLIENT_RATE", "1r/s")
        .set("GATEWAY_CLIENT_BURST", "1")
        .start()
        .await;
    until("a client that is limited", async || {
        (list_coupons(&gateway, http(), &[]).await.status == 429).then_some(())
    })
    .await;
    until("a token", async || (list_coupons(&gateway, http(), &[]).await.status == 201).then_some(())).await;
}

#[tokio::test]
async fn a_forged_address_does_not_help() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = strict(Gateway::before(&[node.address])).start().await;
    let forged = [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-real-ip", "198.51.100.1"),
        ("forwarded", "for=198.51.100.1"),
    ];
    empty_the_bucket(&gateway, http(), &forged).await;
    for headers in [
        &[("x-forwarded-for", "198.51.100.2")][..],
        &[("x-forwarded-for", "198.51.100.3, 127.0.0.1"), ("x-real-ip", "198.51.100.3")],
        &[("forwarded", "for=198.51.100.4"), ("x-member-id", "another-member")],
    ] {
        list_coupons(&gateway, http(), headers).await.assert_problem(429, "rate_limited");
    }
    for request in node.requests() {
        assert!(
            request.contains("\r\nx-forwarded-for: 127.0.0.1"),
            "the node gets the true address: {request}"
        );
        assert!(!request.contains("198.51.100"), "and no other: {request}");
    }
}

#[tokio::test]
async fn only_trusted_proxies_may_name_the_client_address() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = strict(Gateway::before(&[node.address])).trusting("127.0.0.1/32 10.0.0.0/8").start().await;
    empty_the_bucket(&gateway, http(), &[("x-forwarded-for", "198.51.100.1")]).await;
    // The same client through another trusted proxy.
    list_coupons(&gateway, http(), &[("x-forwarded-for", "198.51.100.1, 10.1.2.3")])
        .await
        .assert_problem(429, "rate_limited");
    // An address that the client itself put before its own has no effect.
    list_coupons(&gateway, http(), &[("x-forwarded-for", "198.51.100.9, 198.51.100.1")])
        .await
        .assert_problem(429, "rate_limited");
    empty_the_bucket(&gateway, http(), &[("x-forwarded-for", "198.51.100.2")]).await;
    assert!(node.requests()[0].contains("\r\nx-forwarded-for: 198.51.100.1"), "{:?}", node.requests()[0]);
    // The header of an untrusted client is ignored.
    let stranger = client_at("127.0.0.2");
    empty_the_bucket(&gateway, &stranger, &[("x-forwarded-for", "198.51.100.5")]).await;
    list_coupons(&gateway, &stranger, &[("x-forwarded-for", "198.51.100.6")])
        .await
        .assert_problem(429, "rate_limited");
}

#[tokio::test]
async fn a_member_named_by_the_login_service_is_limited_at_every_address() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address])
        .set("GATEWAY_MEMBER_RATE", "1r/m")
        .set("GATEWAY_MEMBER_BURST", "5")
        .trusting("127.0.0.1/32")
        .start()
        .await;
    empty_the_bucket(&gateway, http(), &[("x-member-id", "kim"), ("x-forwarded-for", "198.51.100.1")]).await;
    let elsewhere = [("x-member-id", "kim"), ("x-forwarded-for", "198.51.100.2")];
    list_coupons(&gateway, http(), &elsewhere).await.assert_problem(429, "rate_limited");
    empty_the_bucket(&gateway, http(), &[("x-member-id", "lee"), ("x-forwarded-for", "198.51.100.1")]).await;
    assert!(node.requests()[0].contains("\r\nx-member-id: kim"), "{:?}", node.requests()[0]);

    // The member id of an untrusted client neither limits that member nor reaches a node.
    let stranger = client_at("127.0.0.2");
    assert_eq!(list_coupons(&gateway, &stranger, &[("x-member-id", "kim")]).await.status, 201);
    let requests = node.requests();
    let last = requests.last().expect("a request");
    assert!(!last.contains("x-member-id"), "{last}");
}

#[tokio::test]
async fn connections_of_a_client_are_limited() {
    let node = Upstream::start(Behavior::Hold).await;
    let gateway = Gateway::before(&[node.address]).set("GATEWAY_CLIENT_CONNECTIONS", "2").start().await;
    let url = gateway.url("/v1/coupons");
    let held = [0; 2].map(|_| tokio::spawn(answer(http().get(&url))));
    until("both requests to be held", async || (node.requests().len() == 2).then_some(())).await;
    list_coupons(&gateway, http(), &[]).await.assert_problem(429, "rate_limited");
    let other = tokio::spawn(answer(client_at("127.0.0.2").get(&url)));
    until("the request of another client", async || (node.requests().len() == 3).then_some(())).await;
    node.release();
    for held in held.into_iter().chain([other]) {
        assert_eq!(held.await.expect("the task does not panic").status, 201);
    }
}
