//! Eta: when recordings will be done, from what waits before them and how fast the workers are. Pure: the clock is the caller's.

use std::collections::BTreeMap;
use uuid::Uuid;

/// The part of a chunk that counts as still to be done, however long it has been in hand: it may be a slow one.
const LEAST_LEFT: f64 = 0.05;

/// One thread of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Hand {
    /// Seconds of audio that it analyses per second.
    pub speed: f64,
    /// Chunk that the thread is busy with; none where it is idle.
    pub busy: Option<InHand>,
}

/// A chunk in hand.
#[derive(Clone, Debug, PartialEq)]
pub struct InHand {
    /// Its recording.
    pub recording: Uuid,
    /// Its length in seconds of audio.
    pub audio_seconds: f64,
    /// For how many seconds it has been in hand.
    pub for_seconds: f64,
}

/// A chunk that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Its recording.
    pub recording: Uuid,
    /// Its length in seconds of audio.
    pub audio_seconds: f64,
}

/// Seconds until the last chunk of each recording is analysed. `queue` is in the order in which it will be served: whichever hand is
/// free first takes the next chunk. Empty where there is nobody to do it.
pub fn estimate(hands: &[Hand], queue: &[Waiting]) -> BTreeMap<Uuid, f64> {
    let mut done_at: BTreeMap<Uuid, f64> = BTreeMap::new();
    let mut note = |recording: Uuid, at: f64| {
        let last = done_at.entry(recording).or_insert(at);
        *last = last.max(at);
    };
    let mut free_at: Vec<(f64, f64)> = Vec::new();
    for hand in hands.iter().filter(|hand| hand.speed > 0.0) {
        let (mut free, mut speed) = (0.0, hand.speed);
        if let Some(busy) = &hand.busy {
            // One that takes longer than it should says that the hand is slower now than it was.
            let whole = (busy.audio_seconds / speed).max(busy.for_seconds / (1.0 - LEAST_LEFT));
            free = whole - busy.for_seconds;
            speed = busy.audio_seconds / whole;
            note(busy.recording, free);
        }
        free_at.push((free, speed));
    }
    for chunk in queue {
        let Some((free, speed)) = free_at.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
        *free += chunk.audio_seconds / *speed;
        note(chunk.recording, *free);
    }
    done_at
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Uuid = Uuid::from_u128(1);
    const SECOND: Uuid = Uuid::from_u128(2);

    fn idle(speed: f64) -> Hand {
        Hand { speed, busy: None }
    }

    fn waiting(recording: Uuid, audio_seconds: f64) -> Waiting {
        Waiting { recording, audio_seconds }
    }

    #[test]
    fn a_recording_waits_for_what_was_ordered_before_it() {
        let queue = [waiting(FIRST, 300.0), waiting(FIRST, 300.0), waiting(SECOND, 60.0)];
        let eta = estimate(&[idle(10.0)], &queue);
        assert_eq!((eta[&FIRST], eta[&SECOND]), (60.0, 66.0));
    }

    #[test]
    fn several_hands_share_the_queue_and_the_last_chunk_counts() {
        let queue = [waiting(FIRST, 300.0), waiting(FIRST, 300.0), waiting(FIRST, 300.0)];
        assert_eq!(
            estimate(&[idle(10.0), idle(10.0)], &queue)[&FIRST],
            60.0,
            "the third chunk waits for a hand"
        );
        assert_eq!(
            estimate(&[idle(10.0), idle(30.0)], &queue)[&FIRST],
            30.0,
            "the fast one does two of them"
        );
    }

    #[test]
    fn what_is_in_hand_is_partly_done_and_never_quite() {
        let busy = |for_seconds| Hand {
            speed: 10.0,
            busy: Some(InHand { recording: FIRST, audio_seconds: 300.0, for_seconds }),
        };
        assert_eq!(estimate(&[busy(20.0)], &[])[&FIRST], 10.0);
        let late = estimate(&[busy(95.0)], &[waiting(SECOND, 300.0)]);
        assert!((late[&FIRST] - 5.0).abs() < 1e-9, "it is taken to be nearly done: {late:?}");
        assert!((late[&SECOND] - 105.0).abs() < 1e-9, "and the next to take as long: {late:?}");
        assert_eq!(estimate(&[busy(20.0)], &[waiting(SECOND, 100.0)])[&SECOND], 20.0);
    }

    #[test]
    fn nothing_is_said_where_there_is_nobody_to_do_it() {
        assert!(estimate(&[], &[waiting(FIRST, 1.0)]).is_empty());
        assert!(estimate(&[idle(0.0)], &[waiting(FIRST, 1.0)]).is_empty());
    }
}
