//! Limits by address and by member. Buckets get one token an hour, so that no test depends on its speed.

use reqwest::Method;
use serde_json::json;

use crate::arrange::{Answer, Api, Engine, issuance_of, issuances, started};
use crate::program::run;
use crate::support::node::{NodeBuilder, NodeProcess};

const HERE: &str = "198.51.100.7";
const ELSEWHERE: &str = "198.51.100.8";
const TOKEN: &str = "correct-horse-battery-staple";

/// A node with these limits that trusts all addresses as proxies: the tests act as proxy.
async fn node(limits: &str) -> (NodeProcess, Api) {
    behind_proxies(limited(limits).await.set("OPENRUN_TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")).await
}

/// Trusted proxies require a token, so the client of the test has one.
async fn behind_proxies(builder: NodeBuilder) -> (NodeProcess, Api) {
    let node = builder.set("OPENRUN_ADMIN_TOKEN", TOKEN).start().await;
    let api = Api::of_operator(&node, TOKEN);
    (node, api)
}

async fn limited(limits: &str) -> NodeBuilder {
    Engine::Embedded.builder().await.set("OPENRUN_RATE_LIMIT", limits)
}

/// Sends an issue request for a client at `address`, which may be a chain of addresses.
async fn ask(api: &Api, coupon: &str, member: &str, address: &str) -> Answer {
    let request = api.request(Method::POST, &issuances(coupon)).json(&json!({ "member_id": member }));
    Answer::to(request.header("x-forwarded-for", address)).await
}

async fn get(api: &Api, path: &str, address: &str) -> Answer {
    Answer::to(api.request(Method::GET, path).header("x-forwarded-for", address)).await
}

/// Panics unless the response is a complete 429 of these policies.
#[track_caller]
fn assert_limited(answer: &Answer, by: &str, policies: &str) {
    let problem = answer.problem(429, "rate_limited");
    assert_eq!(problem["title"], "Too many requests");
    assert_eq!(problem["detail"], "too many requests at once; nothing was decided, try again");
    let wait = answer.header("retry-after");
    assert!((3_000..=3_600).contains(&wait.parse().unwrap_or(0)), "{answer:?}");
    assert_eq!(answer.header("ratelimit"), format!("\"{by}\";r=0;t={wait}"));
    assert_eq!(answer.header("ratelimit-policy"), policies);
}

#[track_caller]
fn assert_no_headers(answer: &Answer) {
    assert!(!answer.headers.contains_key("ratelimit"), "{answer:?}");
    assert!(!answer.headers.contains_key("ratelimit-policy"), "{answer:?}");
}

#[tokio::test]
async fn an_address_has_a_bucket() {
    let (_node, api) = node("address=1/h:3").await;
    let id = api.coupon(10).await;
    let policies = "\"address\";q=3;w=10800";
    for (number, left) in [(1, 2), (2, 1), (3, 0)] {
        let answer = ask(&api, &id, &format!("member-{number}"), HERE).await;
        answer.json(201);
        assert_eq!(answer.header("ratelimit"), format!("\"address\";r={left}"));
        assert_eq!(answer.header("ratelimit-policy"), policies);
    }
    assert_limited(&ask(&api, &id, "member-4", HERE).await, "address", policies);
    assert_eq!(api.issued(&id).await, 3, "no refused request was decided");
    ask(&api, &id, "member-4", ELSEWHERE).await.json(201);
    assert_limited(&get(&api, &format!("/v1/coupons/{id}"), HERE).await, "address", policies);
    assert!((api.metric("openrun_issue_requests_total{outcome=\"rate_limited\"}").await - 1.0).abs() < 0.1);
    assert!((api.metric("openrun_rate_limited_total{by=\"address\"}").await - 2.0).abs() < 0.1);
}

#[tokio::test]
async fn a_member_has_a_bucket_and_uses_no_tokens_of_others() {
    let (_node, api) = node("address=1/h:5,member=1/h:2").await;
    let id = api.coupon(10).await;
    let policies = "\"member\";q=2;w=7200, \"address\";q=5;w=18000";
    let first = ask(&api, &id, "kim", HERE).await;
    first.json(201);
    assert_eq!(first.header("ratelimit"), "\"member\";r=1, \"address\";r=4");
    assert_eq!(first.header("ratelimit-policy"), policies);
    get(&api, &issuance_of(&id, "kim"), HERE).await.json(200);
    for _ in 0..20 {
        assert_limited(&ask(&api, &id, "kim", HERE).await, "member", policies);
    }
    assert_limited(&get(&api, &issuance_of(&id, "kim"), HERE).await, "member", policies);
    // The member used no tokens of others at that address, nor of the same id at another address.
    for member in ["lee", "park", "choi"] {
        ask(&api, &id, member, HERE).await.json(201);
    }
    assert_limited(&ask(&api, &id, "jung", HERE).await, "address", policies);
    ask(&api, &id, "kim", ELSEWHERE).await.json(200);
}

#[tokio::test]
async fn answers_of_the_gate_are_free() {
    let (_node, api) = node("address=1/h:3,member=1/h:3").await;
    let id = api.coupon(1).await;
    ask(&api, &id, "kim", HERE).await.json(201);
    api.until_halted(&id).await;
    for _ in 0..20 {
        let answer = ask(&api, &id, "lee", HERE).await;
        answer.problem(409, "sold_out");
        assert_no_headers(&answer);
    }
    // A possible holder is a question to the engine, which takes a token.
    ask(&api, &id, "kim", HERE).await.json(200);
    ask(&api, &id, "kim", HERE).await.json(200);
    ask(&api, &id, "kim", HERE).await.problem(429, "rate_limited");
    ask(&api, &id, "lee", HERE).await.problem(409, "sold_out");
}

#[tokio::test]
async fn searching_for_an_unknown_coupon_takes_a_token() {
    let (_node, api) = node("address=1/h:2").await;
    ask(&api, "none", "kim", HERE).await.problem(404, "no_such_coupon");
    get(&api, "/v1/coupons/none", HERE).await.problem(404, "no_such_coupon");
    ask(&api, "none", "kim", HERE).await.problem(429, "rate_limited");
    get(&api, "/v1/coupons", HERE).await.problem(429, "rate_limited");
    // Probes and operators' calls are never limited.
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(get(&api, path, HERE).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn without_limits_no_request_is_refused_and_no_header_sent() {
    let (_node, api) = node("off").await;
    let id = api.coupon(1).await;
    for _ in 0..50 {
        let answer = ask(&api, &id, "kim", HERE).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        assert_no_headers(&answer);
    }
}

#[tokio::test]
async fn by_default_a_member_has_ten_requests_and_loopback_is_exempt() {
    let builder = Engine::Embedded.builder().await.set("OPENRUN_TRUSTED_PROXIES", "127.0.0.1");
    let (_node, api) = behind_proxies(builder).await;
    let id = api.coupon(2).await;
    let first = ask(&api, &id, "kim", HERE).await;
    first.json(201);
    assert_eq!(first.header("ratelimit"), "\"member\";r=9, \"address\";r=9999");
    assert_eq!(first.header("ratelimit-policy"), "\"member\";q=10;w=2, \"address\";q=10000;w=10");
    for _ in 0..50 {
        let answer = api.ask(&id, "lee").await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        assert_no_headers(&answer);
    }
}

#[tokio::test]
async fn headers_of_untrusted_clients_are_ignored() {
    let (node, api) = started(limited("address=1/h:3,loopback=limited").await).await;
    let id = api.coupon(10).await;
    for number in 1..=3 {
        let address = format!("198.51.100.{number}");
        let answer = ask(&api, &id, &format!("member-{number}"), &address).await;
        answer.json(201);
    }
    assert!(!node.log().contains("OPENRUN_TRUSTED_PROXIES"), "no request was refused");
    for number in 4..=6 {
        let address = format!("198.51.100.{number}");
        ask(&api, &id, "lee", &address).await.problem(429, "rate_limited");
    }
    let forwarded = api.request(Method::GET, "/v1/coupons").header("forwarded", "for=203.0.113.1");
    Answer::to(forwarded).await.problem(429, "rate_limited");
    assert_eq!(node.log().matches("OPENRUN_TRUSTED_PROXIES").count(), 1, "one warning");
}

/// A forwarding connection from this machine is an undeclared proxy, and its clients are limited.
#[tokio::test]
async fn loopback_is_limited_when_it_forwards() {
    for (name, value) in [
        ("x-forwarded-for", HERE),
        ("forwarded", "for=198.51.100.7"),
        ("x-real-ip", HERE),
        ("x-forwarded-proto", "https"),
        ("via", "1.1 edge"),
    ] {
        let (node, api) = started(limited("address=1/h:2,member=1/h:1").await).await;
        let id = api.coupon(10).await;
        let ask = async |member: &str| {
            let request = api.request(Method::POST, &issuances(&id)).json(&json!({ "member_id": member }));
            Answer::to(request.header(name, value)).await
        };
        ask("kim").await.json(201);
        assert_limited(&ask("kim").await, "member", "\"member\";q=1;w=3600, \"address\";q=2;w=7200");
        ask("lee").await.json(201);
        assert!(
            !node.log().contains("OPENRUN_TRUSTED_PROXIES"),
            "{name}: the clients of the proxy share no bucket"
        );
        for member in ["park", "choi"] {
            ask(member).await.problem(429, "rate_limited");
        }
        assert_eq!(node.log().matches("OPENRUN_TRUSTED_PROXIES").count(), 1, "{name}: one warning");
        // Direct requests from this machine stay exempt.
        for _ in 0..5 {
            assert_no_headers(&api.ask(&id, "kim").await);
        }
    }
}

#[tokio::test]
async fn the_last_untrusted_address_of_a_chain_counts() {
    let (_node, api) = node("address=1/h:2").await;
    let id = api.coupon(10).await;
    for (number, forged) in ["1.2.3.4, ", "10.1.1.1, ", "127.0.0.1, ", "nonsense, "].iter().enumerate() {
        let chain = format!("{forged}{HERE}, 10.9.9.9");
        let answer = ask(&api, &id, &format!("member-{number}"), &chain).await;
        assert_eq!(answer.status, if number < 2 { 201 } else { 429 }, "{chain}");
    }
    let listed = |value: &str| api.request(Method::GET, "/v1/coupons").header("forwarded", value);
    Answer::to(listed("for=1.2.3.4, for=198.51.100.7;proto=https, for=10.9.9.9"))
        .await
        .problem(429, "rate_limited");
    Answer::to(listed("for=198.51.100.9")).await.json(200);
    // Two headers that contradict each other are both ignored, and the request is not exempt as loopback.
    let both = || listed("for=198.51.100.20").header("x-forwarded-for", "198.51.100.21");
    Answer::to(both()).await.json(200);
    Answer::to(both()).await.json(200);
    Answer::to(both()).await.problem(429, "rate_limited");
}

#[tokio::test]
async fn an_ipv6_network_counts_as_one_address() {
    let (_node, api) = node("address=1/h:2").await;
    let id = api.coupon(10).await;
    ask(&api, &id, "kim", "2001:db8:1:2::1").await.json(201);
    ask(&api, &id, "lee", "2001:db8:1:2:ffff:ffff:ffff:ffff").await.json(201);
    ask(&api, &id, "park", "2001:db8:1:2::3").await.problem(429, "rate_limited");
    ask(&api, &id, "park", "2001:db8:1:3::3").await.json(201);
    ask(&api, &id, "choi", "::ffff:198.51.100.7").await.json(201);
    ask(&api, &id, "jung", HERE).await.json(201);
    ask(&api, &id, "song", HERE).await.problem(429, "rate_limited");
}

/// A bucket is dropped only if it is full again or if the table is full.
#[tokio::test]
async fn a_flood_of_addresses_gives_no_new_tokens() {
    let (_node, api) = node("address=1000000/s:1000000,member=1/h:1").await;
    let id = api.coupon(1).await;
    ask(&api, &id, "kim", HERE).await.json(201);
    for number in 0..1_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0xCB00_0000 + number).to_string();
        get(&api, "/v1/coupons", &address).await.json(200);
    }
    ask(&api, &id, "kim", HERE).await.problem(429, "rate_limited");
}

#[tokio::test]
async fn invalid_limits_and_proxies_are_refused_in_one_line() {
    for (name, value) in [
        ("OPENRUN_RATE_LIMIT", "on"),
        ("OPENRUN_RATE_LIMIT", "address=0/s"),
        ("OPENRUN_RATE_LIMIT", "member=5/d"),
        ("OPENRUN_RATE_LIMIT", "loopback=limited"),
        ("OPENRUN_RATE_LIMIT", "member=5/s,member=6/s"),
        ("OPENRUN_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("OPENRUN_TRUSTED_PROXIES", "gateway"),
    ] {
        let line = run(&["serve"], &[(name, value), ("OPENRUN_BIND", "127.0.0.1:0")]).await.one_line(2);
        let flag = name.replace("OPENRUN_", "--").replace('_', "-").to_lowercase();
        assert!(line.contains(&flag) && line.contains(value), "{value}: {line}");
    }
}
