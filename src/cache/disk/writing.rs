//! How is an object written that is still coming?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::DiskBody;
use super::draft::{Draft, Lost, Plan};
use super::flow::{Flow, Following};
use super::format::DATA;
use super::tier::Tier;
use crate::telemetry::metrics::DiskWrite;

/// How much is written at once: whole blocks.
const BATCH: u64 = 4 * DATA as u64;

/// How many objects may be written at the same time. Each holds a file open, and up to a mebibyte of memory.
const MOST: usize = 256;

/// How long a write may take, and how long a follower may hold the others up when nothing can be written any more and
/// memory is all there is.
const PATIENCE: Duration = Duration::from_secs(10);

/// An object that is being written piece by piece. Whatever happens to the disk, those who follow get all that is put in
/// here; if it is dropped before its end, they are told, and nothing stays on the disk.
pub struct Writing {
    tier: Arc<Tier>,
    flow: Arc<Flow>,
    key: u128,
    draft: Step,
    /// How much was given to the threads that write.
    sent: u64,
    /// Whether it is of no use to write on.
    is_lost: bool,
}

enum Step {
    Planned(Plan),
    Ready(Draft),
    Busy(oneshot::Receiver<Result<Draft, ()>>),
    Lost,
}

impl Writing {
    /// As planned; `None` if too many are being written.
    pub(super) fn new(tier: &Arc<Tier>, key: u128, plan: Plan) -> Option<Self> {
        if !tier.one_more_stream(MOST) {
            tier.metrics.written(DiskWrite::Full);
            return None;
        }
        Some(Self {
            tier: tier.clone(),
            flow: Flow::new(tier.clone()),
            key,
            draft: Step::Planned(plan),
            sent: 0,
            is_lost: false,
        })
    }

    /// The next bytes. They can be followed at once. This waits where the disk is slower than they come; `false` if it can't
    /// be written, and nobody follows who would want the rest.
    pub async fn write(&mut self, piece: Bytes) -> bool {
        let was_lost = self.is_lost;
        self.flow.add(piece);
        while !self.is_lost && self.flow.end() - self.sent >= BATCH {
            // Whoever follows does not wait for a disk that does not answer.
            if timeout(PATIENCE, self.settle()).await.is_err() {
                self.tier.metrics.written(DiskWrite::Full);
                self.lose();
                break;
            }
            self.send(self.sent + BATCH, false);
        }
        // Who has only just heard of it may want to do something about it first.
        if !was_lost {
            return true;
        }
        match timeout(PATIENCE, self.flow.make_room()).await {
            Ok(anybody) => anybody,
            Err(_) => self.flow.leave_behind(),
        }
    }

    /// That was all. The body is given out when it is on disk; `None` if it is not there, or too many files are open.
    pub async fn finish(mut self) -> Option<DiskBody> {
        self.flow.over(true);
        self.settle().await;
        self.send(self.flow.end(), true);
        self.settle().await;
        let body = match &self.draft {
            Step::Ready(draft) => draft.body(),
            _ => None,
        };
        if !self.is_lost {
            self.tier.metrics.written(DiskWrite::Stored);
        }
        body
    }

    /// Somebody who reads it from its beginning on.
    pub fn follow(&self) -> Following {
        self.flow.follow()
    }

    /// Whether it may still come to be on disk. If not, memory is all there is, and who begins to follow now may have
    /// missed something.
    pub fn is_written(&self) -> bool {
        !self.is_lost
    }

    /// Waits until what was sent is written.
    async fn settle(&mut self) {
        let Step::Busy(busy) = &mut self.draft else {
            return;
        };
        match busy.await {
            Ok(Ok(draft)) => {
                self.flow.written(draft.length(), draft.file());
                self.draft = Step::Ready(draft);
            }
            // The thread that found out has settled it.
            Ok(Err(_)) | Err(_) => self.lose(),
        }
    }

    /// It is not to be on disk: it goes on for those who follow.
    pub fn lose(&mut self) {
        self.draft = Step::Lost;
        self.is_lost = true;
    }

    /// Gives the bytes up to this place to the threads that write; the draft is ready, or not begun.
    fn send(&mut self, to: u64, is_last: bool) {
        let step = std::mem::replace(&mut self.draft, Step::Lost);
        let pieces = self.flow.between(self.sent, to);
        let (tier, key) = (self.tier.clone(), self.key);
        let write = move |draft: Result<Draft, Lost>| {
            let written = draft.and_then(|mut draft| {
                draft.append(pieces.iter().map(|piece| &piece[..]), is_last)?;
                if is_last {
                    draft.commit()?;
                }
                Ok(draft)
            });
            written.map_err(|lost| tier.settle(key, &Err(lost)))
        };
        let (told, busy) = oneshot::channel();
        let job: super::line::Job = match step {
            Step::Planned(plan) => Box::new(move || {
                let _ = told.send(write(Draft::new(plan)));
            }),
            Step::Ready(draft) => Box::new(move || {
                let _ = told.send(write(Ok(draft)));
            }),
            Step::Busy(_) | Step::Lost => return,
        };
        // There is one of each object at most, and each waits for it.
        self.tier.writers.push_always(job);
        self.draft = Step::Busy(busy);
        self.sent = to;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Says nothing if all has come.
        self.flow.over(false);
        self.tier.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
