//! Commands and arguments, with their environment variables.

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
pub(super) use operator::OperatorArgs;
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
    /// Run a race of many members for few coupons, and print the verdict
    Demo(DemoArgs),
    /// Apply the migrations that the database lacks
    Migrate(MigrateArgs),
    /// Create, list, change, pause and close coupons on a running node
    Coupons(CouponsArgs),
    /// List the actors of a running node, or restart one
    Actors(ActorsArgs),
    /// List, replay or discard messages that could not be written
    DeadLetters(DeadLettersArgs),
    /// List issued numbers without a known holder, or write them off
    LostNumbers(LostNumbersArgs),
    /// List issuances that contradict the database, or settle them
    Conflicts(ConflictsArgs),
    /// Compare engine, outbox and database, and repair the safe differences; exit code 1 if any remains
    Reconcile(ReconcileArgs),
    /// Check every promise on data at rest, read-only; exit code 1 if one is broken
    Verify(VerifyArgs),
    /// Check the health of a node; exit code 1 if it is not ready. For health checks of containers
    Probe(ProbeArgs),
}
