//! The race: many members request one coupon, some of them twice at the same moment.
//!
//! A member is a number, and a few counters hold the results: a million members take no more memory than a
//! thousand. Only answers with an issuance are kept one by one.

mod click;
mod config;
mod report;
mod retry_policy;
mod state;
mod tally;

pub use config::{RaceConfig, RaceError};
pub use report::RaceReport;
pub use retry_policy::RetryPolicy;

use std::{future::Future, sync::Arc};

use tokio::task::JoinSet;

use crate::progress::{INTERVAL, Progress};
use state::{Client, RaceState};
use tally::Tally;

/// Runs the race to its end. Dropping the future ends it at once, connections included.
pub async fn run(config: RaceConfig, progress: &dyn Progress) -> Result<RaceReport, RaceError> {
    run_until(config, progress, std::future::pending()).await
}

/// Runs the race to its end, or until `stop` resolves. After that no member starts and no request is
/// repeated, and the report covers the race so far.
pub async fn run_until(
    config: RaceConfig,
    progress: &dyn Progress,
    stop: impl Future<Output = ()>,
) -> Result<RaceReport, RaceError> {
    config.validate()?;
    let state = Arc::new(RaceState::new(config)?);
    let mut clients = JoinSet::new();
    for index in 0..state.config.clients {
        clients.spawn(Client::new(Arc::clone(&state), index).run());
    }
    let tally = {
        let mut stop = std::pin::pin!(stop);
        let mut finish = std::pin::pin!(finish(clients));
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                tally = &mut finish => break tally?,
                () = &mut stop, if !state.is_stopped() => state.stop(),
                _ = tick.tick() => progress.show(&state.snapshot()),
            }
        }
    };
    progress.show(&state.snapshot());
    Ok(RaceReport::new(&state, tally))
}

async fn finish(mut clients: JoinSet<Tally>) -> Result<Tally, RaceError> {
    let mut all = Tally::default();
    while let Some(tally) = clients.join_next().await {
        all.merge(tally.map_err(RaceError::ClientPanicked)?);
    }
    Ok(all)
}
