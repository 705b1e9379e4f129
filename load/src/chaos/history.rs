//! The history of a run: who asked what, when, and what came back. It is written to a file as it happens, and kept for
//! the checker.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// A member asked for a coupon.
    Issue,
    /// A member looked up what they hold.
    LookUp,
    /// An operator created a coupon with this total.
    Create(u32),
    /// An operator raised the total to this.
    Raise(u32),
    /// An operator held the coupon.
    Pause,
    /// An operator let it go on.
    Resume,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The member was told that they hold a coupon.
    Told {
        /// Issued by this very request.
        newly: bool,
        /// Its place in the order.
        sequence: u32,
        /// What they redeem.
        code: Box<str>,
    },
    /// A no that is meant to be true.
    No(No),
    /// Nobody knows, or nothing was decided: why, such as `recovering`, `outcome_unknown` or `timed_out`.
    Open(Box<str>),
    /// An operator's call was carried out.
    Done,
    /// The contract has no such answer.
    Unexpected(Box<str>),
}

/// The kinds of no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum No {
    /// All are issued.
    SoldOut,
    /// The window has not begun.
    NotOpen,
    /// The coupon has ended.
    Closed,
    /// There is no such coupon.
    NoSuchCoupon,
    /// This member holds none.
    NotIssued,
}

/// One entry.
#[derive(Clone, Debug, Serialize)]
pub struct Op {
    /// Its number, in the order of the answers.
    pub id: u64,
    /// Who asked: a client's number, or the operator.
    pub client: u32,
    /// What.
    pub call: Call,
    /// Which coupon.
    #[serde(serialize_with = "text")]
    pub coupon: Arc<str>,
    /// Which member; empty for operators.
    #[serde(serialize_with = "text")]
    pub member: Arc<str>,
    /// Which node was asked, from 0.
    pub node: usize,
    /// When the request was sent.
    pub asked_us: u64,
    /// When the answer was there, or waiting for it was given up.
    pub answered_us: u64,
    /// What came back.
    pub outcome: Outcome,
}

fn text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Counters that are read while the run goes on.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All entries.
    pub operations: u64,
    /// Those with an answer that settles the question.
    pub answered: u64,
    /// Those whose outcome stayed open.
    pub open: u64,
    /// The largest sequence that was told, of each coupon.
    pub told: HashMap<Arc<str>, u32>,
}

/// Where entries go.
#[derive(Debug)]
pub struct History(Mutex<Pages>);

#[derive(Debug)]
struct Pages {
    file: BufWriter<File>,
    ops: Vec<Op>,
    tally: Tally,
}

impl History {
    /// A history that is also written to `path`.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self(Mutex::new(Pages { file, ops: Vec::new(), tally: Tally::default() })))
    }

    /// Takes an entry in and numbers it.
    pub fn add(&self, mut op: Op) {
        let mut pages = self.lock();
        op.id = pages.ops.len() as u64;
        pages.tally.operations += 1;
        match &op.outcome {
            Outcome::Open(_) => pages.tally.open += 1,
            Outcome::Told { sequence, .. } => {
                let highest = pages.tally.told.entry(Arc::clone(&op.coupon)).or_default();
                *highest = (*highest).max(*sequence);
                pages.tally.answered += 1;
            }
            Outcome::No(_) | Outcome::Done | Outcome::Unexpected(_) => pages.tally.answered += 1,
        }
        // A disk that is full costs the file, not the run: the checker reads what is kept here.
        let _written = serde_json::to_writer(&mut pages.file, &op).map(|()| pages.file.write_all(b"\n"));
        pages.ops.push(op);
    }

    /// The counters as they are now.
    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// Everything so far, in the order of the answers.
    pub fn ops(&self) -> Vec<Op> {
        let mut pages = self.lock();
        let _flushed = pages.file.flush();
        pages.ops.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
