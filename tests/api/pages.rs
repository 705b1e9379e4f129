//! The console and the members' page.

use reqwest::Method;
use serde_json::json;

use crate::arrange::{Answer, Api, Engine, started};

const TOKEN: &str = "correct-horse-battery-staple";

#[tokio::test]
async fn the_pages_contain_no_data_and_allow_no_other_site() {
    let builder = Engine::Embedded.builder().await.set("OPENRUN_ADMIN_TOKEN", TOKEN);
    let (_node, api) = started(builder).await;
    let create = api.request(Method::POST, "/v1/coupons").bearer_auth(TOKEN);
    Answer::to(create.json(&json!({ "id": "secret-drop", "total": 2 }))).await.json(201);
    for path in ["/console", "/try/secret-drop", "/try/nothing-here"] {
        let page = api.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert_guarded(&page);
        let html = page.text();
        assert!(!html.contains("secret-drop") && !html.contains("nothing-here"), "{html}");
        assert!(!html.contains("://") && !html.contains("<style") && !html.contains(" style="), "{html}");
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script type=\"module\" src=\"/assets/").count()
        );
        for part in html.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert_cached(&api, part).await;
        }
    }
    let korean = api.request(Method::GET, "/console").header("accept-language", "ko-KR,ko;q=0.9");
    let korean = Answer::to(korean).await;
    assert_eq!((korean.header("content-language"), korean.header("vary")), ("ko", "accept-language"));
    assert!(korean.text().contains("<html lang=\"ko\">"));
    for unknown in ["nothing.js", "console.html", "..%2fmod.rs", "%00"] {
        api.get(&format!("/assets/{unknown}")).await.problem(404, "no_such_route");
    }
}

fn assert_guarded(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    let parts: Vec<_> = policy.split(';').map(str::trim).collect();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(parts.contains(&part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
}

/// Panics unless the asset and all its scripts exist, are guarded, and are not sent twice to a caching client.
async fn assert_cached(api: &Api, name: &str) {
    let path = format!("/assets/{name}");
    let first = api.get(&path).await;
    assert_eq!(first.status, 200, "{name}");
    assert_guarded(&first);
    let again = api.request(Method::GET, &path).header("if-none-match", first.header("etag"));
    assert_eq!(Answer::to(again).await.status, 304, "{name}");
    let text = first.text();
    let needed = text.split("from \"/assets/").skip(1).filter_map(|rest| rest.split('"').next());
    for needed in needed {
        Box::pin(assert_cached(api, needed)).await;
    }
}

#[tokio::test]
async fn a_node_without_the_api_has_only_the_console() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "publisher,persister");
    let (_node, api) = started(builder).await;
    assert_eq!(api.get("/console").await.status, 200);
    assert_eq!(api.get("/assets/console.js").await.status, 200);
    api.get("/try/drop").await.problem(404, "no_such_route");
}
