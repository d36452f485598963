//! Ctrl-C: the first asks training to save and stop, the second ends the program at once.

use crate::failure::Failure;
use crate::output;
use std::sync::atomic::{AtomicBool, Ordering};

static TRAINING: AtomicBool = AtomicBool::new(false);
static LISTENING: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens from now on (to SIGTERM and SIGHUP as well); training has begun, perhaps of one model after another.
///
/// # Errors
/// A system that does not let us.
pub fn listen() -> Result<(), Failure> {
    TRAINING.store(true, Ordering::SeqCst);
    if LISTENING.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) || !TRAINING.load(Ordering::SeqCst) {
            output::note("stopped");
            std::process::exit(1);
        }
    })
    .map_err(|error| Failure::new(format!("Ctrl-C cannot be listened to: {error}"), "run it from a terminal"))
}

/// Whether the user has asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Training is over: from now on the first Ctrl-C ends the program.
pub fn training_is_over() {
    TRAINING.store(false, Ordering::SeqCst);
}
