//! The actors of this node: listing and restarting them.

use actix_web::{HttpResponse, web};

use crate::actors::runtime::ActorAdminError;
use crate::http::actor_body::ActorBody;
use crate::http::operators::Operator;
use crate::http::problem::Problem;
use crate::http::state::AppState;

impl From<ActorAdminError> for Problem {
    fn from(error: ActorAdminError) -> Self {
        match error {
            ActorAdminError::NoSuchActor => Self::no_such_actor(),
            ActorAdminError::Silent => {
                Self::unavailable("the supervisor of this node does not answer; try again")
            }
        }
    }
}

/// List the actors of this node (operators).
#[utoipa::path(
    get, path = "/v1/admin/actors", operation_id = "list_actors", tag = "operators", security(("operator" = [])),
    responses(
        (status = 200, description = "All actors of this node, by name", body = [ActorBody]),
    )
)]
pub(in crate::http) async fn list(state: web::Data<AppState>, _: Operator) -> Result<HttpResponse, Problem> {
    let actors: Vec<ActorBody> = state.actors.list().await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(actors))
}

/// Restart an actor (operators).
///
/// A running actor first finishes its work, and answers the requests that wait for it. A failed actor gets all its
/// restarts back. The response shows the actor after the restart.
#[utoipa::path(
    post, path = "/v1/admin/actors/{name}/restart", tag = "operators", security(("operator" = [])),
    params(("name" = String, Path, description = "The actor's name; slashes in it may be percent-encoded or not")),
    responses(
        (status = 200, description = "The actor after the restart", body = ActorBody),
        (status = 404, description = "`no_such_actor`"),
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
