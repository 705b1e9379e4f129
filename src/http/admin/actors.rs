//! The actors of this node: how each is, and having one made anew.

use actix_web::{HttpResponse, web};

use crate::actors::runtime::ActorAdminError;
use crate::http::actor_body::ActorBody;
use crate::http::operators::Operator;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::state::AppState;

impl From<ActorAdminError> for Problem {
    fn from(error: ActorAdminError) -> Self {
        match error {
            ActorAdminError::NoSuchActor => Self::no_such_actor(),
            ActorAdminError::Silent => {
                Self::unavailable("the supervisor of this node does not answer; ask again")
            }
        }
    }
}

/// List the actors of this node (operators).
#[utoipa::path(
    get, path = "/v1/admin/actors", operation_id = "list_actors", tag = "operators", security(("operator" = [])),
    responses(
        (status = 200, description = "All of them, in the order of their names", body = [ActorBody]),
    )
)]
pub(in crate::http) async fn list(state: web::Data<AppState>, _: Operator) -> Result<HttpResponse, Problem> {
    let actors: Vec<ActorBody> = state.actors.list().await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(actors))
}

/// Have an actor made anew (operators).
///
/// One that runs finishes what it has begun and ends first; whoever waits for it is answered. One that failed gets all its
/// tries back. The answer is how it is afterwards.
#[utoipa::path(
    post, path = "/v1/admin/actors/{name}/restart", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The actor's name; a slash in it may be percent-encoded or not")),
    responses(
        (status = 200, description = "The actor as it is now", body = ActorBody),
        (status = 404, description = "`no_such_actor`", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn restart(
    state: web::Data<AppState>,
    _: Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let actor: ActorBody = state.actors.restart(&path).await?.into();
    Ok(HttpResponse::Ok().json(actor))
}
