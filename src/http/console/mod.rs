//! The pages: the operators' console and a page a member could press. They hold no data; everything comes by the same
//! calls that anybody else makes.

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

/// Scripts and styles from here alone, none of them inline; no frame around it; and text never becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The same for the page that shows the contract, which is not ours: it sets styles by itself.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The operators' console.
pub(super) async fn console(request: HttpRequest) -> HttpResponse {
    page(&request, assets::CONSOLE_PAGE)
}

/// What a member could press; which coupon it is about is in its address.
pub(super) async fn try_it(request: HttpRequest) -> HttpResponse {
    page(&request, assets::TRY_PAGE)
}

/// A script or a style.
pub(super) async fn asset(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let asset = assets::find(&name).ok_or_else(Problem::no_such_route)?;
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response =
        if known == Some(&asset.etag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    guard(&mut response).insert_header((ETAG, asset.etag.as_str()));
    if known == Some(&asset.etag) {
        return Ok(response.finish());
    }
    Ok(response.insert_header((CONTENT_TYPE, asset.content_type)).body(asset.body))
}

fn page(request: &HttpRequest, html: &'static str) -> HttpResponse {
    let language = Language::wanted_by(request);
    let mut response = HttpResponse::Ok();
    guard(&mut response)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_LANGUAGE, language.as_str()))
        .insert_header((VARY, "accept-language"));
    // The page is written in English; its script puts the words in the place of others.
    response.body(html.replacen("lang=\"en\"", &format!("lang=\"{}\"", language.as_str()), 1))
}

/// What holds for the page that shows the contract.
pub(super) fn guard_docs() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, DOCS_POLICY))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((REFERRER_POLICY, "no-referrer"))
        .add(("cross-origin-opener-policy", "same-origin"))
        .add(("cross-origin-resource-policy", "same-origin"))
}

/// What holds for everything that a browser gets from here.
fn guard(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        // Kept, but asked for anew each time: after an update nobody works with half of the old one.
        .insert_header((CACHE_CONTROL, "no-cache"))
}
