//! Reading ahead: within an epoch a thread of its own fills the next batch while the step before is trained on.
//!
//! It is there where filling takes time: rows from a file, or pictures that are changed; it is not one of the threads that compute. Batches are the same either way, since all
//! that is drawn for them is keyed by row and epoch.

use super::batches::Batch;
use super::setup::Setup;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// At most one batch that is being filled.
pub struct Ahead {
    requests: Option<SyncSender<(Batch, Which)>>,
    filled: Receiver<Batch>,
    coming: Option<Which>,
    thread: Option<JoinHandle<()>>,
}

/// A batch of a run: its epoch, the step in it, and how many rows it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Which {
    pub epoch: usize,
    pub step: usize,
    pub rows: usize,
}

impl Ahead {
    /// Starts the thread; nothing if the system has none to give.
    pub fn new(setup: &Arc<Setup>) -> Option<Ahead> {
        let (requests, asked) = sync_channel::<(Batch, Which)>(1);
        let (done, filled) = sync_channel(1);
        let setup = Arc::clone(setup);
        let fill = move || {
            while let Ok((mut batch, which)) = asked.recv() {
                batch.fill(&setup, which);
                if done.send(batch).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("narrows-rows".to_owned()).spawn(fill).ok()?;
        Some(Ahead { requests: Some(requests), filled, coming: None, thread: Some(thread) })
    }

    /// Asks for a batch whose row ids are set.
    pub fn ask(&mut self, batch: Batch, which: Which) {
        let sent = self.requests.as_ref().map(|requests| requests.send((batch, which)));
        self.coming = matches!(sent, Some(Ok(()))).then_some(which);
    }

    /// What was asked for, and whether it is this one; nothing if nothing was.
    pub fn take(&mut self, which: Which) -> Option<(Batch, bool)> {
        let coming = self.coming.take()?;
        self.filled.recv().ok().map(|batch| (batch, coming == which))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // Nobody is left to tell of a panic.
            let _ = thread.join();
        }
    }
}
