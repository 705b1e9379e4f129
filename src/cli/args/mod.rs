//! What can be typed: commands, flags, and the environment variable of each.

mod actors;
mod common;
mod conflicts;
mod coupons;
mod dead_letters;
mod defaults;
mod demo;
mod inspect;
mod lost_numbers;
mod migrate;
mod operator;
mod probe;
mod serve;
mod traces;

use clap::{Parser, Subcommand};

pub(super) use actors::{ActorsArgs, ActorsCall};
pub(super) use common::CommonArgs;
pub(super) use conflicts::{ConflictsArgs, ConflictsCall};
pub(super) use coupons::{CouponsArgs, CouponsCall, CreateArgs};
pub(super) use dead_letters::{DeadLettersArgs, DeadLettersCall};
pub(super) use defaults::{DATA_DIR, required_url};
pub(super) use demo::DemoArgs;
pub(super) use inspect::{ReconcileArgs, VerifyArgs};
pub(super) use lost_numbers::{LostNumbersArgs, LostNumbersCall};
pub(super) use migrate::MigrateArgs;
pub(super) use probe::ProbeArgs;
pub(super) use serve::NodeArgs;

/// Limited coupons, first come, first served: exactly as many as exist, and none is ever lost.
#[derive(Debug, Parser)]
#[command(name = "openrun", version, propagate_version = true, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve coupons over HTTP until SIGTERM or Ctrl-C
    Serve(NodeArgs),
    /// Race a crowd of members for a few coupons and print the verdict
    Demo(DemoArgs),
    /// Bring the schema of the database up to date
    Migrate(MigrateArgs),
    /// Create, list and steer coupons on a running node
    Coupons(CouponsArgs),
    /// List the actors of a running node, and have one made anew
    Actors(ActorsArgs),
    /// List what could not be written, and send it on its way again or drop it
    DeadLetters(DeadLettersArgs),
    /// List numbers nobody knows the holder of, and write them off
    LostNumbers(LostNumbersArgs),
    /// List what contradicts the database, and settle it once it has been dealt with
    Conflicts(ConflictsArgs),
    /// Compare engine, outbox and database once, and repair what is safe; exit code 1 if something remains
    Reconcile(ReconcileArgs),
    /// Prove the promises on the data at rest, changing nothing; exit code 1 if one is broken
    Verify(VerifyArgs),
    /// Ask a node whether it is well; exit code 1 if not. For health checks of containers
    Probe(ProbeArgs),
}
