//! Give up: tells a stream that is in work on another thread that nobody waits for it any more.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Ends a stream from outside. Clones are one and the same.
///
/// A stream looks at it between packets and at every read of its file, so it ends within milliseconds even where a decoder
/// gives nothing for long; an ffmpeg that works for it is killed at once.
#[derive(Clone, Debug, Default)]
pub struct GiveUp(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicBool,
    helpers: Mutex<Vec<Weak<Mutex<Child>>>>,
}

impl GiveUp {
    /// Asks the stream to end; it says [`super::AudioError::GivenUp`].
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        let helpers = std::mem::take(&mut *self.0.helpers.lock().unwrap_or_else(PoisonError::into_inner));
        for child in helpers.iter().filter_map(Weak::upgrade) {
            kill(&child);
        }
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Has `child` killed as soon as somebody asks.
    pub(super) fn kill_when_asked(&self, child: &Arc<Mutex<Child>>) {
        self.0.helpers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(child));
        if self.is_asked() {
            kill(child);
        }
    }
}

/// Kills a process; fails only where it has ended already.
pub(super) fn kill(child: &Mutex<Child>) {
    let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
}
