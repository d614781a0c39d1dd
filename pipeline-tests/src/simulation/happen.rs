//! Happen: what each [`Op`] does.

use super::op::{self, Op, Until};
use super::recording::MODELS;
use super::services::subject;
use super::work::{Kind, Work};
use super::world::World;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use service_kit::topology::DEAD;
use std::time::Duration;

impl World {
    /// Does one thing; an error where something does not hold any more.
    pub async fn apply(&mut self, op: Op) -> Result<(), String> {
        self.events.push(format!("{op:?}"));
        match op {
            Op::Upload(which, until) => self.upload(usize::from(which), until).await,
            Op::Reprocess(which, until) => {
                let index = usize::from(which);
                if self.row(index).is_none() || self.users[index].deleting {
                    return Ok(());
                }
                self.count("reprocessings");
                let services = self.services.clone();
                let work =
                    Work::new(Kind::Reprocesses(index), format!("reprocess {index}"), |_, shutdown| {
                        services.reprocess(index, shutdown)
                    });
                self.perform(work, until).await
            }
            Op::Delete(which, until) => self.delete(usize::from(which), until).await,
            Op::Send(until) => {
                let services = self.services.clone();
                let work = Work::new(Kind::Sends, "send the outbox".into(), |_, stop| services.send(stop));
                if until != Until::End {
                    self.more_copies += 1;
                }
                self.perform(work, until).await
            }
            Op::Deliver(pick, until) => self.deliver(usize::from(pick), until).await.map(|_| ()),
            Op::Reconcile(until) => {
                let services = self.services.clone();
                let work = Work::new(Kind::Looks, "look at everything".into(), |_, stop| services.look(stop));
                self.perform(work, until).await
            }
            Op::Clean(until) => {
                let services = self.services.clone();
                let work =
                    Work::new(Kind::Cleans, "delete what must go".into(), |_, stop| services.clean(stop));
                self.perform(work, until).await
            }
            Op::Replay(pick, until) => self.replay(usize::from(pick), until).await,
            Op::GoOn(pick, until) => match self.take_standing(pick) {
                Some(work) => self.perform(work, until).await,
                None => Ok(()),
            },
            Op::Kill(pick) => {
                if let Some(work) = self.take_standing(pick) {
                    self.count("deaths of what stood still");
                    self.died(work);
                    self.settle_connections().await?;
                    self.check().await?;
                }
                Ok(())
            }
            Op::Stop(pick) => self.stop(pick).await,
            Op::Duplicate(pick) => {
                if let Some(message) = self.services.broker.duplicate(usize::from(pick)) {
                    self.count("messages delivered twice");
                    if let Some(about) = subject(&message) {
                        *self.copies.entry(about).or_default() += 1;
                    }
                }
                Ok(())
            }
            Op::Lose(pick) => {
                if self.services.broker.lose(usize::from(pick)) {
                    self.count("messages lost");
                }
                Ok(())
            }
            Op::Cut => {
                self.count("connections cut");
                self.cut();
                Ok(())
            }
            Op::StopBroker => {
                self.count("broker stopped");
                self.cut();
                self.services.broker.set_up(false);
                Ok(())
            }
            Op::StartBroker => {
                self.services.broker.set_up(true);
                Ok(())
            }
            Op::Wipe => {
                self.count("broker wiped");
                self.cut();
                self.services.broker.wipe();
                self.more_copies += 1;
                Ok(())
            }
            Op::Refuse => {
                self.count("messages refused");
                self.services.broker.refuse_next();
                Ok(())
            }
            Op::LoseConfirm => {
                self.count("confirms lost");
                self.more_copies += 1;
                self.services.broker.lose_next_confirm();
                Ok(())
            }
            Op::Pass(seconds) => {
                self.count("times moved");
                self.pass(Duration::from_secs(seconds.into())).await
            }
            Op::RollOut => {
                self.count("models rolled out");
                self.services.model.set((self.services.model.get() + 1).min(MODELS.len() - 1));
                Ok(())
            }
            Op::Repair(which) => {
                self.services.poison.borrow_mut()[usize::from(which)] = None;
                Ok(())
            }
            Op::Rough(steps, seed) => {
                let mut random = StdRng::seed_from_u64(seed.into());
                for _ in 0..steps {
                    Box::pin(self.rough_step(&mut random)).await?;
                }
                Ok(())
            }
            Op::Calm(steps) => {
                for _ in 0..steps {
                    if !Box::pin(self.calm_step()).await? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    async fn upload(&mut self, index: usize, until: Until) -> Result<(), String> {
        let begun = self.standing.iter().any(|work| work.kind == Kind::Uploads(index));
        if begun || self.users[index].deleting || self.row(index).is_some() {
            return Ok(());
        }
        self.count("uploads");
        self.users[index].uploading = true;
        let services = self.services.clone();
        let work = Work::new(Kind::Uploads(index), format!("upload {index}"), |_, shutdown| {
            services.upload(index, shutdown)
        });
        self.perform(work, until).await
    }

    pub(super) async fn delete(&mut self, index: usize, until: Until) -> Result<(), String> {
        if !self.users[index].accepted || self.users[index].deleted {
            return Ok(());
        }
        self.count("deletions");
        self.users[index].deleting = true;
        let services = self.services.clone();
        let work = Work::new(Kind::Deletes(index), format!("delete {index}"), |_, shutdown| {
            services.delete(index, shutdown)
        });
        self.perform(work, until).await
    }

    /// Delivers a message; false where there is none.
    pub(super) async fn deliver(&mut self, pick: usize, until: Until) -> Result<bool, String> {
        let services = self.services.clone();
        let Some((tag, queue, message)) = services.broker.deliver(pick) else { return Ok(false) };
        self.count("deliveries");
        if queue == DEAD {
            self.count("dead letters");
        }
        let kind = Kind::Handles { tag, subject: subject(&message).filter(|_| queue != DEAD) };
        let name = format!("delivery {tag} of {} from {queue}", message.kind());
        let work = Work::new(kind, name, |control, shutdown| {
            services.handle(control, shutdown, tag, queue, message)
        });
        self.perform(work, until).await?;
        Ok(true)
    }

    async fn replay(&mut self, pick: usize, until: Until) -> Result<(), String> {
        let letters: Vec<i64> = self.letters().await?;
        if letters.is_empty() {
            return Ok(());
        }
        self.replay_letter(letters[pick % letters.len()], until).await
    }

    pub(super) async fn letters(&self) -> Result<Vec<i64>, String> {
        let letters = sqlx::query_scalar("SELECT id FROM dead_letters ORDER BY id");
        letters.fetch_all(&self.services.pool).await.map_err(|error| error.to_string())
    }

    pub(super) async fn replay_letter(&mut self, letter: i64, until: Until) -> Result<(), String> {
        self.count("replays");
        self.more_copies += 1;
        let services = self.services.clone();
        let work = Work::new(Kind::Replays, format!("replay letter {letter}"), |_, shutdown| {
            services.replay(letter, shutdown)
        });
        self.perform(work, until).await
    }

    fn take_standing(&mut self, pick: u8) -> Option<Work> {
        let standing = self.standing.len();
        (standing > 0).then(|| self.standing.remove(usize::from(pick) % standing))
    }

    async fn stop(&mut self, pick: u8) -> Result<(), String> {
        let Some(mut work) = self.take_standing(pick) else { return Ok(()) };
        let inside = work.stands_at.as_ref().is_some_and(super::work::can_be_told_to_stop);
        if !matches!(work.kind, Kind::Handles { .. }) || !inside {
            // It finishes what is in hand.
            return self.perform(work, Until::End).await;
        }
        self.count("stops in mid-work");
        self.more_copies += 1;
        work.told_to_stop();
        self.drive(work).await
    }

    /// Does what is next, and something may happen to it.
    async fn rough_step(&mut self, random: &mut StdRng) -> Result<(), String> {
        let (pick, until, first_go_on) = op::rough(random);
        if first_go_on && let Some(work) = self.take_standing(random.random()) {
            return self.perform(work, until).await;
        }
        if !self.deliver(pick, until).await? {
            if let Some(due) = self.services.broker.next_due().filter(|_| random.random_bool(0.5)) {
                self.pass(due).await?;
            }
            self.apply(Op::Send(until)).await?;
        }
        Ok(())
    }

    fn cut(&mut self) {
        for tag in self.services.broker.cut() {
            let holds = |work: &&Work| matches!(&work.kind, Kind::Handles { tag: held, .. } if *held == tag);
            if let Some(work) = self.standing.iter().find(holds)
                && let Kind::Handles { subject: Some(about), .. } = work.kind
            {
                self.services.failed(about);
            }
        }
    }

    /// Lets time pass, for the database and for the broker.
    pub(super) async fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.release_locks().await?;
        sqlx::query(
            "WITH passed AS (SELECT make_interval(secs => $1) AS time),
                  r AS (UPDATE recordings SET updated_at = updated_at - time, created_at = created_at - time,
                                           decode_ordered_at = decode_ordered_at - time FROM passed),
                  c AS (UPDATE chunks SET created_at = created_at - time, released_at = released_at - time FROM passed),
                  e AS (UPDATE erasures SET due_at = due_at - time, asked_at = asked_at - time, emptied_at = emptied_at - time FROM passed),
                  i AS (UPDATE inbox SET received_at = received_at - time FROM passed)
             SELECT 1",
        )
        .bind(time.as_secs_f64())
        .execute(&self.services.pool)
        .await
        .map_err(|error| format!("time could not pass: {error}"))?;
        self.services.passed.set(self.services.passed.get() + time);
        self.services.broker.pass(time);
        Ok(())
    }
}
