//! The contract as OpenAPI 3.1, generated from the handlers, and a page to read and try it without the internet.

use actix_web::HttpResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{coupons, health, issuances};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "openrun",
        description = "Limited coupons, first come, first served. Errors are RFC 9457 problems with a stable `code`; \
            429 and 503 carry Retry-After, and asking again then gives the true answer.",
    ),
    paths(
        issuances::issue,
        issuances::find,
        coupons::create,
        coupons::list,
        coupons::show,
        coupons::amend,
        coupons::pause,
        coupons::resume,
        coupons::close,
        health::live,
        health::ready,
        health::metrics,
    ),
    modifiers(&OperatorScheme)
)]
struct ApiDoc;

struct OperatorScheme;

impl Modify for OperatorScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let description = "OPENRUN_ADMIN_TOKEN; not needed over loopback where none is set.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("operator", SecurityScheme::Http(scheme));
    }
}

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    ApiDoc::openapi()
}

/// Serves the document.
pub(super) async fn serve() -> HttpResponse {
    HttpResponse::Ok().json(document())
}
