//! The pages: the operators' console, and the page on which a member can try to get a coupon. They contain no data: their
//! scripts use the public interface.

mod assets;
mod language;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use self::language::Language;
use super::problem::Problem;

/// Scripts and styles come from this server alone, none inline; no frames; text never becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The policy for Swagger UI, which sets inline styles.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn console(request: HttpRequest) -> HttpResponse {
    page(&request, assets::CONSOLE_PAGE)
}

/// The page on which a member can request a coupon. Its script reads the coupon's id from the address.
pub(super) async fn try_it(request: HttpRequest) -> HttpResponse {
    page(&request, assets::TRY_PAGE)
}

pub(super) async fn asset(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let asset = assets::find(&name).ok_or_else(Problem::no_such_route)?;
    let cached = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_cached = cached == Some(&asset.etag);
    let mut response = if is_cached { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    guard(&mut response).insert_header((ETAG, asset.etag.as_str()));
    if is_cached {
        return Ok(response.finish());
    }
    Ok(response.insert_header((CONTENT_TYPE, asset.content_type)).body(asset.body))
}

fn page(request: &HttpRequest, html: &'static str) -> HttpResponse {
    let language = Language::preferred_by(request);
    let mut response = HttpResponse::Ok();
    guard(&mut response)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_LANGUAGE, language.as_str()))
        .insert_header((VARY, "accept-language"));
    // The HTML is in English; its script replaces the texts according to `lang`.
    response.body(html.replacen("lang=\"en\"", &format!("lang=\"{}\"", language.as_str()), 1))
}

/// Security headers of Swagger UI.
pub(super) fn guard_docs() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, DOCS_POLICY))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((REFERRER_POLICY, "no-referrer"))
        .add(("cross-origin-opener-policy", "same-origin"))
        .add(("cross-origin-resource-policy", "same-origin"))
}

/// Security headers of pages, scripts and styles.
fn guard(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        // The browser revalidates each file, so that it never mixes files of two versions.
        .insert_header((CACHE_CONTROL, "no-cache"))
}
