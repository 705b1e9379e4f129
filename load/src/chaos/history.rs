//! The history of a run: every request with its outcome. It is appended to a file and kept in memory for the checker.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    Issue,
    LookUp,
    /// An operator creates a coupon with this total.
    Create(u32),
    /// An operator raises the total to this value.
    Raise(u32),
    Pause,
    Resume,
}

/// Outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The member holds a coupon.
    #[serde(rename = "told")]
    Issued {
        /// Issued by this request.
        newly: bool,
        sequence: u32,
        code: Box<str>,
    },
    /// A rejection, which has to be true.
    #[serde(rename = "no")]
    Rejected(Rejection),
    /// Unknown or undecided, with the reason, such as `recovering`, `outcome_unknown` or `timed_out`.
    #[serde(rename = "open")]
    Unknown(Box<str>),
    /// An operator's call succeeded.
    Done,
    /// An answer outside the contract.
    Unexpected(Box<str>),
}

/// Reason of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    SoldOut,
    /// The sale period has not begun.
    NotOpen,
    Closed,
    NoSuchCoupon,
    /// The member has no issuance.
    NotIssued,
}

/// One request with its outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Op {
    /// Number in the order of the answers.
    pub id: u64,
    /// Number of the client; the operator and the scenario itself have reserved ones.
    pub client: u32,
    pub call: Call,
    #[serde(serialize_with = "text")]
    pub coupon: Arc<str>,
    /// Empty for operators' calls.
    #[serde(serialize_with = "text")]
    pub member: Arc<str>,
    /// Number of the node, from 0.
    pub node: usize,
    /// Time at which the request was sent.
    pub sent_us: u64,
    /// Time of the answer, or of the timeout.
    pub answered_us: u64,
    pub outcome: Outcome,
}

fn text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Counters, readable during the run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub operations: u64,
    /// Requests with a definite outcome.
    pub answered: u64,
    /// Requests with an unknown outcome.
    pub open: u64,
    /// Largest issued sequence of each coupon.
    pub issued: HashMap<Arc<str>, u32>,
}

/// The growing list of requests.
#[derive(Debug)]
pub struct History(Mutex<Records>);

#[derive(Debug)]
struct Records {
    file: BufWriter<File>,
    ops: Vec<Op>,
    tally: Tally,
}

impl History {
    /// A history that is also written to `path`.
    ///
    /// Creating the file failed.
    /// The file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self(Mutex::new(Records { file, ops: Vec::new(), tally: Tally::default() })))
    }

    /// Numbers and records a request.
    pub fn add(&self, mut op: Op) {
        let mut records = self.lock();
        op.id = records.ops.len() as u64;
        records.tally.operations += 1;
        match &op.outcome {
            Outcome::Unknown(_) => records.tally.open += 1,
            Outcome::Issued { sequence, .. } => {
                let highest = records.tally.issued.entry(Arc::clone(&op.coupon)).or_default();
                *highest = (*highest).max(*sequence);
                records.tally.answered += 1;
            }
            Outcome::Rejected(_) | Outcome::Done | Outcome::Unexpected(_) => records.tally.answered += 1,
        }
        // A full disk costs the file and not the run: the checker reads the memory.
        let _written = serde_json::to_writer(&mut records.file, &op).map(|()| records.file.write_all(b"\n"));
        records.ops.push(op);
    }

    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// All requests so far, in the order of the answers.
    pub fn ops(&self) -> Vec<Op> {
        let mut records = self.lock();
        let _flushed = records.file.flush();
        records.ops.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
