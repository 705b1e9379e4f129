//! The interface as an OpenAPI 3.1 document, generated from the handlers.

use actix_web::HttpResponse;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::problem::ProblemBody;
use super::{admin, coupons, health, issuances, spans};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "openrun",
        description = "Limited coupons, first come, first served. Errors are RFC 9457 problems with a stable `code`; \
            responses 429 and 503 have a Retry-After header, and a request repeated after that time gets the true answer.",
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
        admin::actors::list,
        admin::actors::restart,
        admin::conflicts::list,
        admin::conflicts::show,
        admin::conflicts::settle,
        admin::dead_letters::list,
        admin::dead_letters::show,
        admin::dead_letters::replay,
        admin::dead_letters::replay_all,
        admin::dead_letters::discard,
        admin::events::watch,
        admin::lost_numbers::list,
        admin::lost_numbers::write_off,
        admin::reconcile::reconcile,
        health::live,
        health::ready,
        health::metrics,
    ),
    components(schemas(ProblemBody)),
    modifiers(&OperatorScheme, &CommonProblems, &TraceHeaders)
)]
struct ApiDoc;

struct OperatorScheme;

impl Modify for OperatorScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let description = "OPENRUN_ADMIN_TOKEN. If it is not set, calls over loopback that no proxy has forwarded need no token.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("operator", SecurityScheme::Http(scheme));
    }
}

/// Adds the problems that are common to operations with a body, with a coupon in the path, with a query, or for operators.
/// An operation declares only its other problems, and those that it describes in more detail. Sets the body of all.
struct CommonProblems;

const OF_BODIES: &[(&str, &str)] = &[
    ("400", "`invalid_body`"),
    ("408", "`body_too_slow`"),
    ("413", "`body_too_large`"),
    ("415", "`unsupported_media_type`"),
];
const OF_COUPONS: &[(&str, &str)] = &[("400", "`invalid_parameter`"), ("404", "`no_such_coupon`")];
const OF_QUERIES: &[(&str, &str)] = &[("400", "`invalid_parameter`")];
const OF_OPERATORS: &[(&str, &str)] =
    &[("401", "`unauthorized`"), ("403", "`forbidden`"), ("503", "`unavailable`")];

impl Modify for CommonProblems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, operation) in operations(document) {
            let has_body = operation.request_body.is_some();
            let has_query = takes_query(operation);
            let is_operators = operation.security.is_some();
            add(operation, has_body, OF_BODIES);
            add(operation, path.contains("{coupon_id}"), OF_COUPONS);
            add(operation, has_query, OF_QUERIES);
            add(operation, is_operators, OF_OPERATORS);
            set_problem_bodies(operation);
        }
    }
}

/// All operations with their paths.
fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = (&String, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let PathItem { get, post, patch, delete, .. } = item;
        [get, post, patch, delete].into_iter().flatten().map(move |operation| (path, operation))
    })
}

fn takes_query(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters
        .any(|parameter| matches!(parameter, RefOr::T(found) if found.parameter_in == ParameterIn::Query))
}

/// Adds those of `problems` with a status that the operation does not declare itself.
fn add(operation: &mut Operation, applies: bool, problems: &[(&str, &str)]) {
    for (status, codes) in problems.iter().filter(|_| applies) {
        let response = ResponseBuilder::new().description(*codes);
        let responses = &mut operation.responses.responses;
        responses.entry((*status).to_owned()).or_insert_with(|| response.build().into());
    }
}

fn set_problem_bodies(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.as_str() >= "400" {
            let schema = Some(Ref::from_schema_name("ProblemBody"));
            let content = ContentBuilder::new().schema(schema).build();
            response.content.insert("application/problem+json".to_owned(), content.into());
        }
    }
}

/// Adds the trace headers of requests and responses.
struct TraceHeaders;

impl Modify for TraceHeaders {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (_, operation) in operations(document).filter(|(path, _)| !spans::is_untraced(path)) {
            let traceparent = ParameterBuilder::new()
                .name(spans::TRACEPARENT)
                .parameter_in(ParameterIn::Header)
                .description(Some("The trace of the client (W3C Trace Context)"))
                .schema(Some(Object::with_type(Type::String)));
            operation.parameters.get_or_insert_default().push(traceparent.build().into());
            for response in operation.responses.responses.values_mut() {
                let RefOr::T(response) = response else { continue };
                let mut header = Header::new(Object::with_type(Type::String));
                header.description = Some("`00-TRACE-SPAN-01`, if the request is traced".to_owned());
                response.headers.insert(spans::TRACE_RESPONSE.as_str().to_owned(), header.into());
            }
        }
    }
}

#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    ApiDoc::openapi()
}

pub(super) async fn serve() -> HttpResponse {
    HttpResponse::Ok().json(document())
}
