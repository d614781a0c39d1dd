//! Distance of a hypothesis from a reference: diarization error rate (DER) and Jaccard error rate (JER).
//!
//! **DER** (NIST, *The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan*): hypothesis
//! speakers are mapped one to one onto reference speakers so that the time they share is greatest; then
//! `(missed + falsely raised + confused speech) / reference speech`. Speech is counted per speaker, so a
//! second that two people talk over is two seconds of speech, and overlap is scored.
//!
//! **JER** (Ryant et al., *The Second DIHARD Challenge: Evaluation Plan*, v1.1): for each reference speaker
//! `1 − |shared| / |joined|` with the hypothesis speaker mapped to it, 1 where none is, averaged over the
//! reference speakers. Both rates use the same mapping, as pyannote.metrics does; the dscore tool instead
//! searches a second mapping, the best for JER, so that but for its 10 ms frames its figure is at most ours.
//!
//! # What is scored
//!
//! The whole recording, silence included: everything from the first border to the last of either side.
//! Nothing is cut at the end of the audio, which a segment list does not know.
//!
//! * Segments of one speaker that overlap or touch are merged before anything else.
//! * Names are compared within one side only. The file a segment names is not looked at: hand in one
//!   recording at a time.
//! * Times are rounded to whole microseconds, and all sums are sums of integers, so that neither the order
//!   of segments nor floating-point noise can move a figure.
//! * Segments of no duration, and times that are not finite, say nothing and are left out; times are
//!   clamped to ± [`rttm::MAX_SECONDS`](crate::rttm::MAX_SECONDS).
//!
//! # The collar
//!
//! [`Options::collar_s`] is the forgiveness on **each side** of every reference border, as for NIST's
//! `md-eval -c`. pyannote.metrics counts its collar from end to end: its `collar=0.5` is our 0.25. What lies
//! within a collar is scored on neither side, and the mapping does not see it. A speaker's border is one of
//! the merged speech, so that where two segments of one speaker touch there is none.
//!
//! # When a side is empty
//!
//! | reference | hypothesis | DER | JER |
//! |---|---|---|---|
//! | empty | empty | 0 | 0 |
//! | empty | speech | 1, by convention (pyannote.metrics): there is nothing to divide by | 1 |
//! | speech | empty | 1, all of it missed | 1 |
//!
//! "Empty" is what the collar left. Pooled over recordings, a false alarm without any reference counts in
//! full as seconds.

mod continuity;
mod mapping;
mod outcome;
mod reliability;
mod review;
mod speech;
mod sweep;

pub use continuity::{Continuity, continuity};
pub use outcome::{Pooled, Score, pool};
pub use reliability::{BINS, Bin, Reliability, reliability};
pub use review::{Judged, found_in, judged};
use serde::{Deserialize, Serialize};
use speech::Side;

use crate::rttm::Segment;

/// Parts left out of a score. The default leaves out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Options {
    /// Forgiveness on each side of a reference border, in seconds: 0.25 is `md-eval -c 0.25`, and is
    /// `collar=0.5` of pyannote.metrics. Negative or not a number means none.
    pub collar_s: f64,
    /// Leave out the time in which the reference has two speakers or more.
    pub skip_overlap: bool,
}

/// Scores a hypothesis of one recording against its reference.
pub fn score(reference: &[Segment], hypothesis: &[Segment], options: &Options) -> Score {
    let reference = Side::new(reference);
    let hypothesis = Side::new(hypothesis);
    let tally = sweep::tally(&reference, &hypothesis, speech::ticks(options.collar_s.max(0.0)), options);
    let mapping = mapping::best(&tally);
    Score::new(&reference, &hypothesis, &tally, &mapping)
}
