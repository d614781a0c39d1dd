//! Pace: how far decoding goes ahead of the workers.
//!
//! So many chunks of a recording are cut and not yet analysed, and no more. Then its decoding waits, half done, until half of them are
//! analysed; where too many others wait like that, or it has waited for long, it is given up: what is cut stays, and it is decoded anew,
//! up to there, when its turn comes. Only time in which it does not wait counts as its own.

use crate::context::Context;
use crate::release;
use service_kit::messages::DecodeJob;
use service_kit::topology;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};

/// Longest wait of a job for other decodings, before it is given back.
pub(super) const TURN_WITHIN: Duration = Duration::from_secs(60);
/// Time between two looks whether workers have caught up.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Answer to the question whether the next chunk may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It may.
    There,
    /// Not before its turn comes again.
    NotNow,
}

/// One decoding, and the time that it has.
pub(super) struct Pace<'a> {
    /// Held while it decodes, so that only so many do at once.
    permit: Option<SemaphorePermit<'a>>,
    began: Instant,
    waited: Duration,
    allowed: Duration,
}

impl<'a> Pace<'a> {
    /// Begins, once few enough others are at it. `None` where it is not to be begun now: none of its chunks beyond the `cut` ones may be
    /// cut, or too many others are decoded.
    pub async fn begin(
        context: &'a Context,
        job: &DecodeJob,
        cut: usize,
    ) -> Result<Option<Self>, sqlx::Error> {
        if cut > 0 && !has_room(context, job, 1).await? {
            return Ok(None);
        }
        let Ok(Ok(permit)) = timeout(TURN_WITHIN, context.decoding.acquire()).await else { return Ok(None) };
        let (began, waited, allowed) = (Instant::now(), Duration::ZERO, context.decode_within);
        Ok(Some(Self { permit: Some(permit), began, waited, allowed }))
    }

    /// Time from which the decoding has taken too long. Waits in `room` are not counted.
    pub fn deadline(&self) -> Instant {
        self.began + self.waited + self.allowed
    }

    /// Waits until the next chunk may be cut, or says that it may not be for now.
    pub async fn room(&mut self, context: &'a Context, job: &DecodeJob) -> Result<Room, sqlx::Error> {
        // The broker does not leave a job with us for ever.
        let until = self.began + self.allowed / 2;
        if self.waited > Duration::ZERO && Instant::now() >= until {
            return Ok(Room::NotNow);
        }
        if has_room(context, job, 1).await? {
            return Ok(Room::There);
        }
        let Ok(_held) = context.held.try_acquire() else { return Ok(Room::NotNow) };
        self.permit = None;
        let since = Instant::now();
        let caught_up = async {
            while !has_room(context, job, 2).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok::<_, sqlx::Error>(context.decoding.acquire().await.ok())
        };
        let permit = tokio::select! {
            permit = tokio::time::timeout_at(until, caught_up) => permit.ok().transpose()?.flatten(),
            () = context.shutdown.asked() => None,
            () = context.pauses.until_paused(topology::DECODE) => None,
        };
        self.waited += since.elapsed();
        self.permit = permit;
        Ok(if self.permit.is_some() { Room::There } else { Room::NotNow })
    }
}

/// True where fewer chunks are cut and not analysed than the limit divided by `part`, which counts as one at least. True of a recording
/// that is gone: others notice that.
async fn has_room(context: &Context, job: &DecodeJob, part: i64) -> Result<bool, sqlx::Error> {
    let room = release::room(context, job.recording).await?;
    Ok(room.is_none_or(|(most, undone)| undone < (most / part).max(1)))
}
