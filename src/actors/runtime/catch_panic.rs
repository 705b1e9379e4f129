//! The one place where a panic ends: every handler, timer and long-running body of an actor runs inside it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::prelude::*;
use futures_util::FutureExt as _;

/// Runs `body`; a panic becomes an error that tells what it said.
///
/// What the body was changing may be half changed: the caller lets go of it, which for an actor means to stop.
pub(crate) fn catch_panic<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| said(&*panic))
}

/// As [`catch_panic`], for a future.
pub(crate) async fn catch_panic_async<T>(body: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(body).catch_unwind().await.map_err(|panic| said(&*panic))
}

/// An actor whose panics are contained: it is stopped, and its supervisor makes a new one.
pub(crate) trait PanicBoundary: Actor<Context = Context<Self>> {
    /// Notes why the actor stops, for its supervisor.
    fn failed(&mut self, why: String);

    /// Runs the body of a handler or timer; after a panic the actor stops.
    fn guarded<T>(
        &mut self,
        ctx: &mut Context<Self>,
        body: impl FnOnce(&mut Self, &mut Context<Self>) -> T,
    ) -> Option<T> {
        match catch_panic(|| body(self, ctx)) {
            Ok(value) => Some(value),
            Err(why) => {
                self.failed(why);
                ctx.stop();
                None
            }
        }
    }

    /// Runs the actor's long-running body; when it ends or panics, the actor stops.
    fn run_guarded(&mut self, ctx: &mut Context<Self>, body: impl Future<Output = ()> + 'static) {
        let body = catch_panic_async(body).into_actor(self).map(|result, actor, ctx| {
            if let Err(why) = result {
                actor.failed(why);
            }
            ctx.stop();
        });
        ctx.spawn(body);
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a word"))
}

#[cfg(test)]
mod tests {
    use super::{catch_panic, catch_panic_async};

    #[test]
    fn a_panic_is_told_and_goes_no_further() {
        assert_eq!(catch_panic(|| 7), Ok(7));
        assert_eq!(catch_panic(|| -> u8 { panic!("on purpose") }), Err("it panicked: on purpose".to_owned()));
        assert_eq!(catch_panic(|| -> u8 { panic!("{}", 5) }), Err("it panicked: 5".to_owned()));
    }

    #[actix::test]
    async fn a_panic_after_an_await_is_told_too() {
        let result = catch_panic_async(async {
            tokio::task::yield_now().await;
            panic!("later")
        });
        assert_eq!(result.await, Err::<(), _>("it panicked: later".to_owned()));
    }
}
