//! Tests of the tester: bugs of a kind that others have shipped, and the faults under which they must be found.

use std::time::Duration;

use super::config::{Config, Length};

/// The setting by which a binary that was built for it plants a bug in itself.
pub(super) const SETTING: &str = "OPENRUN_PLANTED_BUG";

/// A bug that can be planted.
#[derive(Debug)]
pub struct PlantedBug {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is wrong with such a service, in words.
    pub about: &'static str,
    /// Under which faults it shows.
    faults: &'static [&'static str],
    /// Whether it is in openrun's code; otherwise it is in how Redis is run.
    pub(super) in_code: bool,
}

/// Redis acknowledges first and syncs later: not a bug of openrun's, but one of running it so.
const EVERYSEC: &str = "everysec";
/// How much slower the disk is on which that shows.
const SLOW_SYNC: Duration = Duration::from_millis(500);
/// What is lost does not come, however long one waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// All of them.
pub const PLANTED_BUGS: &[PlantedBug] = &[
    PlantedBug {
        name: "trim-on-confirm",
        about: "the outbox lets go of what the broker confirmed",
        faults: &["nodes-killed-queue-purged"],
        in_code: true,
    },
    PlantedBug {
        name: "stock-back-on-timeout",
        about: "stock is handed back when the engine's answer does not come in time",
        faults: &["redis-unheard"],
        in_code: true,
    },
    PlantedBug {
        name: "ack-before-commit",
        about: "deliveries are acknowledged before they are written",
        faults: &["nodes-killed-postgres-away"],
        in_code: true,
    },
    PlantedBug {
        name: "conflict-unclassified",
        about: "rows that the database skipped are taken for repetitions",
        faults: &["contradiction"],
        in_code: true,
    },
    PlantedBug {
        name: EVERYSEC,
        about: "Redis syncs once a second, on a slow disk",
        faults: &["power-failure"],
        in_code: false,
    },
];

impl PlantedBug {
    /// The bug of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PLANTED_BUGS.iter().find(|bug| bug.name == name)
    }

    /// Makes `config` a run in which this bug must be found.
    pub fn plant(&self, config: &mut Config) {
        config.faults = self.faults.iter().map(|name| (*name).to_owned()).collect();
        config.length = Length::Once;
        config.patience = PATIENCE;
        config.settle_limit = PATIENCE * 2;
        if self.in_code {
            config.settings.push((SETTING.to_owned(), self.name.to_owned()));
        } else {
            config.redis_arguments = ["--appendfsync", EVERYSEC].map(str::to_owned).into();
            config.slow_sync = SLOW_SYNC;
            config.settings.push(("OPENRUN_ACCEPT_REDIS_DATA_LOSS".to_owned(), "true".to_owned()));
        }
    }

    /// The same run without the bug, to see that it is the bug that is found.
    pub fn leave_out(&self, config: &mut Config) {
        self.plant(config);
        config.settings.clear();
        config.redis_arguments.clear();
        // Every answer waits for the disk now.
        config.slow_sync /= 10;
    }
}
