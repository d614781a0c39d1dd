//! Give up: tells a stream that is in work on another thread that nobody waits for it any more.

use std::fmt;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Ends a stream from outside. Clones are one and the same.
///
/// A stream looks at it between packets and at every read of its file, so it ends within milliseconds even where a decoder
/// gives nothing for long; a process that works for it is killed at once.
#[derive(Clone, Debug, Default)]
pub struct GiveUp(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: AtomicBool,
    actions: Mutex<Vec<Action>>,
}

type Action = Box<dyn FnOnce() + Send>;

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GiveUp").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl GiveUp {
    /// Asks the stream to end; it says [`super::AudioError::GivenUp`].
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        let actions = std::mem::take(&mut *self.0.actions.lock().unwrap_or_else(PoisonError::into_inner));
        actions.into_iter().for_each(|act| act());
    }

    /// True once the stream was asked to end.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Has `act` done as soon as somebody asks; now, where somebody has. It is done on the thread that asks, so it must not wait.
    pub fn when_asked(&self, act: impl FnOnce() + Send + 'static) {
        self.0.actions.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(act));
        if self.is_asked() {
            self.ask();
        }
    }

    /// Has `child` killed as soon as somebody asks.
    pub(super) fn kill_when_asked(&self, child: &Arc<Mutex<Child>>) {
        let child = Arc::downgrade(child);
        self.when_asked(move || {
            if let Some(child) = child.upgrade() {
                kill(&child);
            }
        });
    }
}

/// Kills a process; fails only where it has ended already.
pub(super) fn kill(child: &Mutex<Child>) {
    let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
}
