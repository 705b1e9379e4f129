//! Tests of the harness: bugs that real services have had, and the faults under which the checker must find them.

use std::time::Duration;

use super::config::{Config, Length};

/// Setting by which a binary built for it activates a bug.
pub(super) const SETTING: &str = "OPENRUN_PLANTED_BUG";

#[derive(Debug)]
pub struct PlantedBug {
    /// Name on the command line.
    pub name: &'static str,
    /// Description.
    pub about: &'static str,
    /// Faults under which the bug shows.
    faults: &'static [&'static str],
    /// Whether the bug is in openrun's code, or in the configuration of Redis.
    pub(super) in_code: bool,
}

/// Redis answers before it syncs: a fault of its configuration and not of openrun.
const EVERYSEC: &str = "everysec";
/// Additional delay of each sync, with which the bug shows.
const SLOW_SYNC: Duration = Duration::from_millis(500);
/// Lost issuances never arrive, so waiting longer is useless.
const PATIENCE: Duration = Duration::from_secs(20);

/// All bugs.
pub const PLANTED_BUGS: &[PlantedBug] = &[
    PlantedBug {
        name: "trim-on-confirm",
        about: "the outbox is trimmed when the broker confirms",
        faults: &["nodes-killed-queue-purged"],
        in_code: true,
    },
    PlantedBug {
        name: "stock-back-on-timeout",
        about: "stock is handed back when the engine's answer times out",
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
        about: "skipped rows are taken for duplicates",
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
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PLANTED_BUGS.iter().find(|bug| bug.name == name)
    }

    /// Turns `config` into a run that must find this bug.
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

    /// The same run without the bug, to prove that the violation comes from the bug.
    pub fn leave_out(&self, config: &mut Config) {
        self.plant(config);
        config.settings.clear();
        config.redis_arguments.clear();
        // Every answer waits for the disk in this run.
        config.slow_sync /= 10;
    }
}
