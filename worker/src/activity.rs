//! Activity: what a worker has in hand and how fast it has been, for its heartbeats.

use chrono::Utc;
use service_kit::heartbeat::{Busy, Work};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use uuid::Uuid;

/// Time over which throughput is told.
const LATELY: Duration = Duration::from_secs(120);
/// Chunks by which the speed is told, however long ago they were done.
const LAST_CHUNKS: usize = 8;

/// Seconds of each stage of a chunk, in order.
pub type Stages = [(&'static str, f64); 5];

/// Identity of a worker, which does not change while it runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Models loaded.
    pub model_version: String,
    /// Configuration of the analysis.
    pub configuration: String,
    /// Device on which it infers.
    pub device: String,
    /// Chunks that it does at a time.
    pub threads: u32,
}

/// Activity of a worker. Clones share it.
#[derive(Clone, Debug)]
pub struct Activity {
    started: Instant,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    busy: Vec<Busy>,
    done: VecDeque<Done>,
    audio_seconds: f64,
}

/// A chunk that was done.
#[derive(Clone, Copy, Debug)]
struct Done {
    at: Instant,
    audio_seconds: f64,
    stages: Stages,
}

/// A chunk in hand, until this is dropped.
#[derive(Debug)]
pub struct InHand {
    activity: Activity,
    recording: Uuid,
    chunk: u32,
}

impl Activity {
    /// That of a worker that starts at `now`.
    pub fn since(now: Instant) -> Self {
        Self { started: now, state: Arc::default(), changed: Arc::default() }
    }

    /// Notified when a chunk is taken in hand or let go.
    pub fn changed(&self) -> &Notify {
        &self.changed
    }

    /// Notes that a chunk is in hand.
    pub fn begin(&self, recording: Uuid, chunk: u32) -> InHand {
        self.state().busy.push(Busy { recording, chunk, since: Utc::now() });
        self.changed.notify_one();
        InHand { activity: self.clone(), recording, chunk }
    }

    /// Notes that a chunk with so much audio is done.
    pub fn done(&self, audio_seconds: f64, stages: Stages, now: Instant) {
        let mut state = self.state();
        state.audio_seconds += audio_seconds;
        state.done.push_back(Done { at: now, audio_seconds, stages });
        let old = state.done.iter().filter(|done| now.duration_since(done.at) > LATELY).count();
        let too_many = old.min(state.done.len().saturating_sub(LAST_CHUNKS));
        state.done.drain(..too_many);
    }

    /// Work that a heartbeat at `now` reports.
    pub fn work(&self, identity: &Identity, now: Instant) -> Work {
        let state = self.state();
        let lately = state.done.iter().filter(|done| now.duration_since(done.at) <= LATELY);
        // The sum of nothing is minus zero, which would be shown.
        let audio_lately: f64 = lately.map(|done| done.audio_seconds).sum::<f64>() + 0.0;
        let over = now.duration_since(self.started).clamp(Duration::from_secs(1), LATELY);
        let last: Vec<&Done> = state.done.iter().rev().take(LAST_CHUNKS).collect();
        let audio: f64 = last.iter().map(|done| done.audio_seconds).sum();
        let mut stages = BTreeMap::new();
        for (stage, seconds) in last.iter().flat_map(|done| done.stages) {
            *stages.entry(stage.to_owned()).or_insert(0.0) += seconds / audio;
        }
        let per_audio_second: f64 = stages.values().sum();
        let identity = identity.clone();
        Work {
            model_version: identity.model_version,
            configuration: identity.configuration,
            device: identity.device,
            threads: identity.threads,
            busy: state.busy.clone(),
            audio_seconds: state.audio_seconds,
            audio_seconds_per_second: audio_lately / over.as_secs_f64(),
            speed: (per_audio_second > 0.0).then(|| 1.0 / per_audio_second),
            stages,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        let this = state.busy.iter().position(|b| b.recording == self.recording && b.chunk == self.chunk);
        if let Some(this) = this {
            state.busy.remove(this);
        }
        self.activity.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(segmentation: f64) -> Stages {
        [
            ("fetch", 0.0),
            ("segmentation", segmentation),
            ("features", 1.0),
            ("embedding", 1.0),
            ("publish", 0.0),
        ]
    }

    fn identity() -> Identity {
        Identity { model_version: "m".into(), configuration: "c".into(), device: "cpu".into(), threads: 1 }
    }

    #[test]
    fn before_the_first_chunk_nothing_is_known_of_its_speed() {
        let start = Instant::now();
        let work = Activity::since(start).work(&identity(), start);
        assert_eq!((work.speed, work.audio_seconds_per_second), (None, 0.0));
        assert!(work.stages.is_empty() && work.busy.is_empty());
    }

    #[test]
    fn speed_and_stages_are_those_of_the_last_chunks_and_throughput_is_that_of_the_last_minutes() {
        let start = Instant::now();
        let activity = Activity::since(start);
        activity.done(60.0, stages(1.0), start + Duration::from_secs(10));
        activity.done(60.0, stages(3.0), start + Duration::from_secs(20));
        let work = activity.work(&identity(), start + Duration::from_secs(60));
        assert_eq!(work.speed, Some(15.0), "120 s of audio in 8 s");
        assert!((work.stages["segmentation"] - 4.0 / 120.0).abs() < 1e-12);
        assert_eq!(work.audio_seconds_per_second, 2.0);
        let later = activity.work(&identity(), start + Duration::from_secs(1000));
        assert_eq!((later.speed, later.audio_seconds_per_second), (Some(15.0), 0.0));
        assert!(later.audio_seconds_per_second.is_sign_positive(), "no -0.0 is shown");
    }

    #[test]
    fn what_is_remembered_does_not_grow_for_ever() {
        let start = Instant::now();
        let activity = Activity::since(start);
        for second in 0..10_000 {
            activity.done(1.0, stages(1.0), start + Duration::from_secs(second));
        }
        assert!(activity.state().done.len() <= 122);
        assert_eq!(activity.work(&identity(), start).audio_seconds, 10_000.0);
    }

    #[test]
    fn a_chunk_is_in_hand_until_it_is_let_go_however_its_attempt_ends() {
        let activity = Activity::since(Instant::now());
        let first = activity.begin(Uuid::from_u128(1), 0);
        let second = activity.begin(Uuid::from_u128(1), 1);
        drop(first);
        let busy = activity.work(&identity(), Instant::now()).busy;
        assert_eq!(busy.iter().map(|b| b.chunk).collect::<Vec<_>>(), [1]);
        drop(second);
        assert!(activity.work(&identity(), Instant::now()).busy.is_empty());
    }
}
