//! The race: many members ask for one coupon, some of them twice at the same moment.
//!
//! Members are a number counted up, never a list, and what is kept of each is a few counters: a million of them take no
//! more memory than a thousand. Only those who were told that they hold a coupon are remembered one by one.

mod click;
mod config;
mod field;
mod patience;
mod report;
mod tally;

pub use config::{RaceConfig, RaceError};
pub use patience::Patience;
pub use report::RaceReport;

use std::{future::Future, sync::Arc};

use tokio::task::JoinSet;

use crate::progress::{INTERVAL, Progress};
use field::{Field, Runner};
use tally::Tally;

/// Runs the race to its end. Dropping the future ends it at once, connections included.
pub async fn run(config: RaceConfig, progress: &dyn Progress) -> Result<RaceReport, RaceError> {
    run_until(config, progress, std::future::pending()).await
}

/// Runs the race to its end, or until `stop` resolves: then nobody starts any more, nobody asks again, and the report
/// covers what happened so far.
pub async fn run_until(
    config: RaceConfig,
    progress: &dyn Progress,
    stop: impl Future<Output = ()>,
) -> Result<RaceReport, RaceError> {
    config.check()?;
    let field = Arc::new(Field::new(config)?);
    let mut runners = JoinSet::new();
    for index in 0..field.config.clients {
        runners.spawn(Runner::new(Arc::clone(&field), index).run());
    }
    let tally = {
        let mut stop = std::pin::pin!(stop);
        let mut finish = std::pin::pin!(finish(runners));
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                tally = &mut finish => break tally?,
                () = &mut stop, if !field.is_stopped() => field.stop(),
                _ = tick.tick() => progress.show(&field.snapshot()),
            }
        }
    };
    progress.show(&field.snapshot());
    Ok(RaceReport::new(&field, tally))
}

async fn finish(mut runners: JoinSet<Tally>) -> Result<Tally, RaceError> {
    let mut all = Tally::default();
    while let Some(tally) = runners.join_next().await {
        all.merge(tally.map_err(RaceError::Runner)?);
    }
    Ok(all)
}
