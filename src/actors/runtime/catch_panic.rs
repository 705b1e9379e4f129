//! Catches panics: every handler, timer and background task of an actor runs inside it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::prelude::*;
use futures_util::FutureExt as _;

/// Runs `body`; a panic becomes an error with its message.
///
/// State that the body was changing may be half changed: the caller must drop it, so an actor must stop.
pub(crate) fn catch_panic<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| message(&*panic))
}

pub(crate) async fn catch_panic_async<T>(body: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(body).catch_unwind().await.map_err(|panic| message(&*panic))
}

/// An actor that stops after a panic, so that its supervisor restarts it.
pub(crate) trait PanicBoundary: Actor<Context = Context<Self>> {
    /// Records the reason of the stop, for the supervisor.
    fn failed(&mut self, reason: String);

    /// Runs the body of a handler or timer.
    fn guarded<T>(
        &mut self,
        ctx: &mut Context<Self>,
        body: impl FnOnce(&mut Self, &mut Context<Self>) -> T,
    ) -> Option<T> {
        match catch_panic(|| body(self, ctx)) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.failed(reason);
                ctx.stop();
                None
            }
        }
    }

    /// Runs the actor's background task. The actor stops when the task ends or panics.
    fn run_guarded(&mut self, ctx: &mut Context<Self>, body: impl Future<Output = ()> + 'static) {
        let body = catch_panic_async(body).into_actor(self).map(|result, actor, ctx| {
            if let Err(reason) = result {
                actor.failed(reason);
            }
            ctx.stop();
        });
        ctx.spawn(body);
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use super::{catch_panic, catch_panic_async};

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        assert_eq!(catch_panic(|| 7), Ok(7));
        assert_eq!(catch_panic(|| -> u8 { panic!("on purpose") }), Err("it panicked: on purpose".to_owned()));
        assert_eq!(catch_panic(|| -> u8 { panic!("{}", 5) }), Err("it panicked: 5".to_owned()));
    }

    #[actix::test]
    async fn a_panic_after_an_await_becomes_an_error_too() {
        let result = catch_panic_async(async {
            tokio::task::yield_now().await;
            panic!("later")
        });
        assert_eq!(result.await, Err::<(), _>("it panicked: later".to_owned()));
    }
}
