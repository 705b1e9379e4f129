//! What one client, or one member, may take from the others.

use reqwest::Client;

use crate::gateway::{Answer, Gateway, GatewayBuilder, answer, client_at};
use crate::support::races::{http, until};
use crate::upstream::{Manner, Upstream};

const BURST: usize = 5;

/// Nothing of note comes back to the bucket while a test runs.
fn strict(gateway: GatewayBuilder) -> GatewayBuilder {
    gateway.set("GATEWAY_CLIENT_RATE", "1r/m").set("GATEWAY_CLIENT_BURST", "5")
}

/// Asks as often as the bucket has tokens, and panics unless all of that is served.
async fn empty_the_bucket(gateway: &Gateway, client: &Client, headers: &[(&str, &str)]) {
    for _ in 0..=BURST {
        assert_eq!(ask(gateway, client, headers).await.status, 201);
    }
}

async fn ask(gateway: &Gateway, client: &Client, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.get(gateway.url("/v1/coupons"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

#[tokio::test]
async fn a_client_whose_bucket_is_empty_is_told_429_and_nobody_else_is() {
    let node = Upstream::start(Manner::Answer).await;
    let gateway = strict(Gateway::before(&[node.address])).start().await;
    empty_the_bucket(&gateway, http(), &[]).await;
    let asked = node.asked().len();
    ask(&gateway, http(), &[]).await.assert_problem(429, "rate_limited");
    gateway.click("c", "kim").await.assert_problem(429, "rate_limited");
    assert_eq!(node.asked().len(), asked, "no node hears of it");
    empty_the_bucket(&gateway, &client_at("127.0.0.2"), &[]).await;
}

#[tokio::test]
async fn a_bucket_fills_up_again() {
    let node = Upstream::start(Manner::Answer).await;
    let gateway = Gateway::before(&[node.address])
        .set("GATEWAY_CLIENT_RATE", "1r/s")
        .set("GATEWAY_CLIENT_BURST", "1")
        .start()
        .await;
    until("a client that is limited", async || {
        (ask(&gateway, http(), &[]).await.status == 429).then_some(())
    })
    .await;
    until("a token", async || (ask(&gateway, http(), &[]).await.status == 201).then_some(())).await;
}

#[tokio::test]
async fn a_forged_address_does_not_help() {
    let node = Upstream::start(Manner::Answer).await;
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
        &[("forwarded", "for=198.51.100.4"), ("x-member-id", "somebody-else")],
    ] {
        ask(&gateway, http(), headers).await.assert_problem(429, "rate_limited");
    }
    for request in node.asked() {
        assert!(request.contains("\r\nx-forwarded-for: 127.0.0.1"), "the node is told the truth: {request}");
        assert!(!request.contains("198.51.100"), "and nothing else: {request}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_as_far_as_it_goes() {
    let node = Upstream::start(Manner::Answer).await;
    let gateway = strict(Gateway::before(&[node.address])).trusting("127.0.0.1/32 10.0.0.0/8").start().await;
    empty_the_bucket(&gateway, http(), &[("x-forwarded-for", "198.51.100.1")]).await;
    // By way of another proxy that is trusted it is the same client.
    ask(&gateway, http(), &[("x-forwarded-for", "198.51.100.1, 10.1.2.3")])
        .await
        .assert_problem(429, "rate_limited");
    // What the client itself has put before its address changes nothing.
    ask(&gateway, http(), &[("x-forwarded-for", "198.51.100.9, 198.51.100.1")])
        .await
        .assert_problem(429, "rate_limited");
    empty_the_bucket(&gateway, http(), &[("x-forwarded-for", "198.51.100.2")]).await;
    assert!(node.asked()[0].contains("\r\nx-forwarded-for: 198.51.100.1"), "{:?}", node.asked()[0]);
    // Whoever is not trusted is not believed.
    let stranger = client_at("127.0.0.2");
    empty_the_bucket(&gateway, &stranger, &[("x-forwarded-for", "198.51.100.5")]).await;
    ask(&gateway, &stranger, &[("x-forwarded-for", "198.51.100.6")])
        .await
        .assert_problem(429, "rate_limited");
}

#[tokio::test]
async fn a_member_is_limited_wherever_they_call_from_if_the_sign_in_names_them() {
    let node = Upstream::start(Manner::Answer).await;
    let gateway = Gateway::before(&[node.address])
        .set("GATEWAY_MEMBER_RATE", "1r/m")
        .set("GATEWAY_MEMBER_BURST", "5")
        .trusting("127.0.0.1/32")
        .start()
        .await;
    empty_the_bucket(&gateway, http(), &[("x-member-id", "kim"), ("x-forwarded-for", "198.51.100.1")]).await;
    let elsewhere = [("x-member-id", "kim"), ("x-forwarded-for", "198.51.100.2")];
    ask(&gateway, http(), &elsewhere).await.assert_problem(429, "rate_limited");
    empty_the_bucket(&gateway, http(), &[("x-member-id", "lee"), ("x-forwarded-for", "198.51.100.1")]).await;
    assert!(node.asked()[0].contains("\r\nx-member-id: kim"), "{:?}", node.asked()[0]);

    // A name that anybody may have written neither limits the one who bears it nor reaches a node.
    let stranger = client_at("127.0.0.2");
    assert_eq!(ask(&gateway, &stranger, &[("x-member-id", "kim")]).await.status, 201);
    let asked = node.asked();
    let last = asked.last().expect("it was asked");
    assert!(!last.contains("x-member-id"), "{last}");
}

#[tokio::test]
async fn a_client_holds_so_many_connections_and_no_more() {
    let node = Upstream::start(Manner::Hold).await;
    let gateway = Gateway::before(&[node.address]).set("GATEWAY_CLIENT_CONNECTIONS", "2").start().await;
    let url = gateway.url("/v1/coupons");
    let held = [0; 2].map(|_| tokio::spawn(answer(http().get(&url))));
    until("both to be held", async || (node.asked().len() == 2).then_some(())).await;
    ask(&gateway, http(), &[]).await.assert_problem(429, "rate_limited");
    let other = tokio::spawn(answer(client_at("127.0.0.2").get(&url)));
    until("another client to be let in", async || (node.asked().len() == 3).then_some(())).await;
    node.release();
    for held in held.into_iter().chain([other]) {
        assert_eq!(held.await.expect("it does not panic").status, 201);
    }
}
