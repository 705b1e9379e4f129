//! The OpenAPI document, and the page that shows it without the internet.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::arrange::{Answer, Api, Engine};

/// Every path of the contract with its methods: whether a call has a body, names a coupon, and is an operator's.
const CONTRACT: [(&str, &str, bool, bool, bool); 26] = [
    ("post", "/v1/coupons", true, false, true),
    ("get", "/v1/coupons", false, false, false),
    ("get", "/v1/coupons/{coupon_id}", false, true, false),
    ("patch", "/v1/coupons/{coupon_id}", true, true, true),
    ("post", "/v1/coupons/{coupon_id}/pause", false, true, true),
    ("post", "/v1/coupons/{coupon_id}/resume", false, true, true),
    ("post", "/v1/coupons/{coupon_id}/close", false, true, true),
    ("post", "/v1/coupons/{coupon_id}/issuances", true, true, false),
    ("get", "/v1/coupons/{coupon_id}/issuances/{member_id}", false, true, false),
    ("get", "/v1/admin/actors", false, false, true),
    ("post", "/v1/admin/actors/{name}/restart", false, false, true),
    ("get", "/v1/admin/conflicts", false, false, true),
    ("get", "/v1/admin/conflicts/{id}", false, false, true),
    ("post", "/v1/admin/conflicts/{id}/settle", true, false, true),
    ("get", "/v1/admin/dead-letters", false, false, true),
    ("get", "/v1/admin/dead-letters/{id}", false, false, true),
    ("delete", "/v1/admin/dead-letters/{id}", false, false, true),
    ("post", "/v1/admin/dead-letters/{id}/replay", false, false, true),
    ("post", "/v1/admin/dead-letters/replay", false, false, true),
    ("get", "/v1/admin/events", false, false, true),
    ("get", "/v1/admin/lost-numbers", false, false, true),
    ("post", "/v1/admin/lost-numbers/{coupon_id}/write-off", true, true, true),
    ("post", "/v1/admin/reconcile", false, false, true),
    ("get", "/livez", false, false, false),
    ("get", "/readyz", false, false, false),
    ("get", "/metrics", false, false, false),
];

async fn document() -> Value {
    let (_node, api) = Engine::Embedded.node().await;
    api.get("/openapi.json").await.json(200)
}

#[tokio::test]
async fn the_document_has_every_route_of_the_contract_and_no_other() {
    let document = document().await;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{document}");
    assert_eq!(document["info"]["title"], "openrun");
    let methods = |path: &Value| path.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let paths = document["paths"].as_object().expect("paths are an object");
    let served: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| methods(item).into_iter().map(|method| (method, path.clone())))
        .collect();
    let contract =
        CONTRACT.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(served, contract);
}

/// The page and generated clients take calls with the same id for one call.
#[tokio::test]
async fn every_call_of_the_document_has_its_own_id() {
    let document = document().await;
    let mut seen = BTreeSet::new();
    for (method, path, ..) in CONTRACT {
        let id = document["paths"][path][method]["operationId"].as_str().expect("an operation id");
        assert!(seen.insert(id), "{method} {path} has the id of another call: {id}");
    }
}

#[tokio::test]
async fn the_document_names_the_problems_of_every_call() {
    let document = document().await;
    for (method, path, has_body, names_coupon, is_operators) in CONTRACT {
        let responses =
            document["paths"][path][method]["responses"].as_object().expect("there are responses");
        let documented: BTreeSet<&str> = responses.keys().map(String::as_str).collect();
        let mut expected = BTreeSet::new();
        if has_body {
            expected.extend(["400", "408", "413", "415", "422"]);
        }
        if names_coupon {
            expected.extend(["400", "404", "503"]);
        }
        if is_operators {
            expected.extend(["401", "403", "503"]);
        }
        let parameters = document["paths"][path][method]["parameters"].as_array();
        if parameters.into_iter().flatten().any(|parameter| parameter["in"] == "query") {
            expected.insert("400");
        }
        let missing: Vec<_> = expected.difference(&documented).collect();
        assert!(missing.is_empty(), "{method} {path} does not say {missing:?}");
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let content = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(content, "#/components/schemas/ProblemBody", "{method} {path} {status}");
        }
        let is_probe = ["/livez", "/readyz", "/metrics"].contains(&path);
        for (status, response) in responses {
            let has_trace = response["headers"]["traceresponse"].is_object();
            assert_eq!(has_trace, !is_probe, "{method} {path} {status} and its trace");
        }
        let security = &document["paths"][path][method]["security"];
        assert_eq!(security.is_array(), is_operators, "{method} {path}: {security}");
    }
}

#[tokio::test]
async fn every_reference_of_the_document_resolves() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document().await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("references stay inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_needs_no_other_site() {
    let (_node, api) = Engine::Embedded.node().await;
    let moved = api.get("/docs").await;
    assert_eq!((moved.status, moved.header("location")), (307, "/docs/"));
    let page = api.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert_guarded(&page);
    let html = page.text();
    let parts: Vec<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(parts.iter().any(|part| part.ends_with(".js")), "{html}");
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    for part in parts {
        assert!(!part.contains("//"), "{part} comes from elsewhere");
        let part = part.trim_start_matches("./");
        let answer = api.get(&format!("/docs/{part}")).await;
        assert_eq!(answer.status, 200, "{part}");
        assert_guarded(&answer);
    }
    let initializer = initializer(&api).await.text();
    assert!(initializer.contains("/openapi.json"), "{initializer}");
    assert!(!initializer.contains("http://") && !initializer.contains("https://"), "{initializer}");
    // By default the page would send the document's address to a validator on the internet.
    let spaceless: String = initializer.split_whitespace().collect();
    assert!(
        spaceless.contains(r#""validatorUrl":"none""#) || spaceless.contains("validatorUrl:null"),
        "{initializer}"
    );
    let missing = api.get("/docs/nothing-here").await;
    assert_eq!(missing.status, 404);
    assert_guarded(&missing);
}

/// Panics unless the policy forbids frames, foreign content and foreign scripts.
#[track_caller]
fn assert_guarded(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    for part in ["default-src 'none';", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{part} is not in '{policy}'");
    }
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

async fn initializer(api: &Api) -> Answer {
    let answer = api.get("/docs/swagger-initializer.js").await;
    assert_eq!(answer.status, 200);
    answer
}
