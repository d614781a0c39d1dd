//! Decision: what was decided over the whole of a recording, which is little: with it the recording is labelled again without being
//! clustered again.

use crate::cast::Cast;
use serde::{Deserialize, Serialize};

/// The voices of a recording and their order, without any correction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Voice of each speaker.
    pub(crate) cast: Cast,
    /// The voices in the order of their names; one to whom nothing was given has none.
    pub(crate) order: Vec<usize>,
    /// Blocks and pieces of the recording.
    pub(crate) blocks: usize,
    pub(crate) pieces: usize,
}

impl Decision {
    /// Number of speakers.
    pub fn speakers(&self) -> usize {
        self.order.len()
    }
}
