//! Settle: what must have come of everything, once all that is broken is whole again and enough time has passed.

use super::op::{Op, Until};
use super::services::REPUBLISH_AFTER;
use super::world::World;
use ingest::context::folder;
use service_kit::budget::ACKNOWLEDGE_WITHIN;
use service_kit::messages::{ChunkAnalysed, Message as _};
use service_kit::topology::ATTEMPTS;
use std::time::Duration;
use uuid::Uuid;

/// Steps in which everything that is on a queue must be done.
const MOST_STEPS: usize = 3000;
/// Cleanings in which every erasure must end.
const MOST_CLEANINGS: usize = 4;
/// Looks at everything within which every recording must have moved to its end.
const MOST_LOOKS: usize = 12;

/// True if something waits for its turn.
const WAITS_FOR_A_TURN: &str = "SELECT EXISTS (SELECT 1 FROM chunks WHERE released_at IS NULL)
    OR EXISTS (SELECT 1 FROM recordings WHERE chunk_count IS NULL AND decode_ordered_at IS NULL)";

impl World {
    /// Lets everything come to its end, and makes sure that it is the right one.
    pub async fn settle(&mut self) -> Result<(), String> {
        self.events.push("all is whole again".into());
        self.services.broker.set_up(true);
        self.go_on_all().await?;
        // A deletion that was not answered is asked for again.
        for index in 0..self.users.len() {
            if self.users[index].deleting {
                self.delete(index, Until::End).await?;
            }
        }
        self.drain().await?;
        for look in 0.. {
            let in_work: Vec<_> = self.rows.iter().filter(|row| row.in_work()).collect();
            if in_work.is_empty() {
                break;
            }
            let happened = |what| self.counts.contains_key(what);
            let lost = happened("messages lost");
            // A wipe is noticed at the first look; what a look had in hand when it died, others may have left to it; and a message that
            // was tried in vain five times may have been the last, with only the end left to do.
            let one_look =
                happened("broker wiped") || happened("looks that died") || happened("dead letters");
            // Delays are failures too: only what is lost needs to be looked for.
            if look == MOST_LOOKS || !lost && (!one_look || look > 0) {
                return Err(format!(
                    "nothing moves any more, and not all is done after {look} looks: {in_work:?}"
                ));
            }
            let time =
                if look == 0 { Duration::from_secs(11) } else { REPUBLISH_AFTER + Duration::from_secs(1) };
            self.pass(time).await?;
            self.apply(Op::Reconcile(Until::End)).await?;
            self.drain().await?;
        }
        self.clean().await?;
        self.ends_well().await
    }

    /// Repairs what is broken and replays every dead letter: then all must complete.
    pub async fn repair_and_replay(&mut self) -> Result<(), String> {
        self.events.push("what was broken is repaired, and every dead letter replayed".into());
        self.services.poison.borrow_mut().fill(None);
        for letter in self.letters().await? {
            self.replay_letter(letter, Until::End).await?;
        }
        self.settle().await?;
        // An analysis that is none stays none: its chunk must be analysed anew.
        for index in 0..self.users.len() {
            if self.row(index).is_some_and(|row| self.has_refused_analysis(row.id, row.run)) {
                self.apply(Op::Reprocess(index as u8, Until::End)).await?;
            }
        }
        self.settle().await?;
        for row in &self.rows {
            let index = self.services.index(row.id).unwrap_or_default();
            if row.state != "completed" && !self.services.recordings[index].unreadable {
                return Err(format!(
                    "recording {index} is {} after the repair: {:?}",
                    row.state, row.failure
                ));
            }
        }
        Ok(())
    }

    /// Erases what was deleted, at last when nobody can be at work on it any more.
    async fn clean(&mut self) -> Result<(), String> {
        for _ in 0..MOST_CLEANINGS {
            let erasures: i64 = sqlx::query_scalar("SELECT count(*) FROM erasures")
                .fetch_one(&self.services.pool)
                .await
                .map_err(|error| error.to_string())?;
            if erasures == 0 {
                return Ok(());
            }
            self.pass(ACKNOWLEDGE_WITHIN + Duration::from_secs(1)).await?;
            self.apply(Op::Clean(Until::End)).await?;
        }
        Err("an erasure does not end".into())
    }

    /// All that stands goes on to its end.
    async fn go_on_all(&mut self) -> Result<(), String> {
        while !self.standing.is_empty() {
            let work = self.standing.remove(0);
            self.perform(work, Until::End).await?;
        }
        Ok(())
    }

    /// Does all that is on a queue or in the outbox.
    async fn drain(&mut self) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            self.go_on_all().await?;
            if !self.calm_step().await? {
                return Ok(());
            }
        }
        Err("there is work without end".into())
    }

    /// Does what is next as it should be: a message, what is in the outbox, what waits. False where nothing is.
    pub(super) async fn calm_step(&mut self) -> Result<bool, String> {
        if !self.services.broker.is_up() {
            return Ok(false);
        }
        if self.deliver(0, Until::End).await? {
            return Ok(true);
        }
        if self.waits("SELECT EXISTS (SELECT 1 FROM outbox)").await? {
            self.apply(Op::Send(Until::End)).await?;
            return Ok(true);
        }
        // What waits for its turn may have to wait on, for what is out.
        if self.waits(WAITS_FOR_A_TURN).await? {
            let before = self.services.broker.messages();
            self.apply(Op::Send(Until::End)).await?;
            if self.services.broker.messages() > before
                || self.waits("SELECT EXISTS (SELECT 1 FROM outbox)").await?
            {
                return Ok(true);
            }
        }
        if let Some(due) = self.services.broker.next_due() {
            self.pass(due).await?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    async fn waits(&self, sql: &'static str) -> Result<bool, String> {
        sqlx::query_scalar(sql).fetch_one(&self.services.pool).await.map_err(|error| error.to_string())
    }

    async fn ends_well(&mut self) -> Result<(), String> {
        let left = self.services.broker.messages();
        if left > 0 {
            return Err(format!("{left} messages are left on queues"));
        }
        for row in &self.rows {
            let index = self.services.index(row.id).unwrap_or_default();
            if row.state == "completed" {
                continue;
            }
            let unreadable = self.services.recordings[index].unreadable && row.state == "failed";
            if !unreadable && !self.may_fail(row.id, row.run) {
                return Err(format!(
                    "recording {index} is {} ({:?}), and nothing of it was tried {ATTEMPTS} times or refused",
                    row.state, row.failure
                ));
            }
        }
        for (index, spec) in self.services.recordings.iter().enumerate() {
            let id = spec.id(index);
            if self.users[index].deleted {
                self.nothing_is_left(index, id).await?;
            }
        }
        self.no_letter_is_doubled().await
    }

    /// True if something that the run needs was tried as often as may be, or refused for good.
    fn may_fail(&self, id: Uuid, run: i32) -> bool {
        let seen = self.services.seen.borrow();
        seen.refused.iter().any(|about| (about.0, about.1) == (id, run))
            || seen
                .failures
                .iter()
                .any(|(about, &failures)| (about.0, about.1) == (id, run) && i64::from(failures) >= ATTEMPTS)
    }

    fn has_refused_analysis(&self, id: Uuid, run: i32) -> bool {
        let seen = self.services.seen.borrow();
        seen.refused.iter().any(|about| (about.0, about.1, about.2) == (id, run, ChunkAnalysed::TYPE))
    }

    async fn nothing_is_left(&self, index: usize, id: Uuid) -> Result<(), String> {
        let objects = self.services.context.objects.list(&folder(id)).await.map_err(|e| e.to_string())?;
        if !objects.is_empty() {
            return Err(format!("recording {index} is deleted, and of its audio is left {objects:?}"));
        }
        let bytes = id.as_bytes().to_vec();
        let letters: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM dead_letters WHERE recording_id = $1 OR position($2 in body) > 0",
        )
        .bind(id)
        .bind(bytes)
        .fetch_one(&self.services.pool)
        .await
        .map_err(|error| error.to_string())?;
        if letters > 0 {
            return Err(format!("recording {index} is deleted, and {letters} dead letters of it are left"));
        }
        Ok(())
    }

    async fn no_letter_is_doubled(&self) -> Result<(), String> {
        let doubled: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM dead_letters GROUP BY recording_id, run, chunk, kind, reason, body HAVING count(*) > 1) AS d",
        )
        .fetch_one(&self.services.pool)
        .await
        .map_err(|error| error.to_string())?;
        if doubled > 0 { Err(format!("{doubled} dead letters are doubled")) } else { Ok(()) }
    }
}
