//! Checks: which turns a person has checked, so that a review goes on where it was left.
//!
//! A check is of a turn as it was then. It stands for whatever turn of the same speaker covers most of it later, so that it outlives a
//! border that is moved and a recording that is processed again; not where that gives the turn to another speaker.

use super::view::is_completed;
use crate::context::Context;
use diarization::timeline::Turn;
use service_kit::transaction;
use sqlx::PgTransaction;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A turn that was checked, or several of one speaker with the pauses between.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// First frame.
    pub first_frame: i32,
    /// One past the last frame.
    pub end_frame: i32,
    /// Label of its speaker at that time.
    pub label: String,
}

/// Outcome of a check.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is noted; so many turns of the recording are checked.
    Noted(i64),
    /// There is no such recording.
    Unknown,
    /// The recording is in this state, in which its turns may still change.
    NotCompleted(String),
    /// There is no such turn.
    NoSuchTurn,
}

/// Notes that a turn is `right`, or takes that back. Can be said twice.
pub(crate) async fn check(
    context: &Context,
    id: Uuid,
    turn: &Checked,
    right: bool,
) -> Result<Outcome, sqlx::Error> {
    transaction::run(&context.pool, "check", &context.shutdown, async |transaction| {
        let state = sqlx::query_scalar!("SELECT state FROM recordings WHERE id = $1 FOR UPDATE", id)
            .fetch_optional(&mut **transaction)
            .await?;
        let Some(state) = state else { return Ok(Outcome::Unknown) };
        if !is_completed(&state) {
            return Ok(Outcome::NotCompleted(state));
        }
        let Checked { first_frame, end_frame, label } = turn;
        let exists = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM turns WHERE recording_id = $1 AND first_frame = $2 AND speaker_label = $4)
                  AND EXISTS (SELECT FROM turns WHERE recording_id = $1 AND end_frame = $3 AND speaker_label = $4) AND $2 < $3 AS "exists!""#,
            id,
            first_frame,
            end_frame,
            label
        )
        .fetch_one(&mut **transaction)
        .await?;
        if !exists {
            return Ok(Outcome::NoSuchTurn);
        }
        // What was checked there before under this label, or under one that is no longer anybody's.
        sqlx::query!(
            "DELETE FROM checked_turns c WHERE recording_id = $1 AND first_frame < $3 AND end_frame > $2
               AND (speaker_label = $4 OR NOT EXISTS (SELECT FROM turns t WHERE t.recording_id = $1 AND t.speaker_label = c.speaker_label))",
            id,
            first_frame,
            end_frame,
            label
        )
        .execute(&mut **transaction)
        .await?;
        if right {
            sqlx::query!(
                "INSERT INTO checked_turns (recording_id, first_frame, end_frame, speaker_label) VALUES ($1, $2, $3, $4)",
                id,
                first_frame,
                end_frame,
                label
            )
            .execute(&mut **transaction)
            .await?;
        }
        sqlx::query!("UPDATE recordings SET updated_at = now() WHERE id = $1", id).execute(&mut **transaction).await?;
        let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM checked_turns WHERE recording_id = $1"#, id)
            .fetch_one(&mut **transaction)
            .await?;
        Ok(Outcome::Noted(count))
    })
    .await
}

/// Checked turns of a recording, by first frame.
pub(super) async fn stored(
    snapshot: &mut PgTransaction<'static>,
    id: Uuid,
) -> Result<Vec<Checked>, sqlx::Error> {
    sqlx::query_as!(
        Checked,
        "SELECT first_frame, end_frame, speaker_label AS label FROM checked_turns WHERE recording_id = $1 ORDER BY first_frame",
        id
    )
    .fetch_all(&mut **snapshot)
    .await
}

/// The checks that stand, to be looked up.
#[derive(Debug)]
pub(super) struct Checks {
    checked: Vec<Checked>,
    /// True for each check whose label is still a speaker's.
    known: Vec<bool>,
    longest: i32,
}

impl Checks {
    /// Of a recording whose speakers are called `labels` now. `checked` are by first frame.
    pub(super) fn new(checked: Vec<Checked>, labels: &BTreeSet<String>) -> Self {
        let known = checked.iter().map(|it| labels.contains(&it.label)).collect();
        let longest = checked.iter().map(|it| it.end_frame - it.first_frame).max().unwrap_or_default();
        Self { checked, known, longest }
    }

    /// True where half of a turn or more was checked under the label that it has. A check also counts under a label that no speaker has any
    /// more, since its speaker has got another name.
    pub(super) fn cover(&self, turn: &Turn, label: &str) -> bool {
        let (first, end) = (turn.first_frame as i32, turn.end_frame as i32);
        let from = self.checked.partition_point(|it| it.first_frame + self.longest <= first);
        let near = self.checked[from..].iter().zip(&self.known[from..]);
        let fits = near.take_while(|(it, _)| it.first_frame < end);
        let fits = fits.filter(|(it, known)| !**known || it.label == label);
        let shared: i32 =
            fits.map(|(it, _)| (it.end_frame.min(end) - it.first_frame.max(first)).max(0)).sum();
        2 * shared >= end - first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_stands_for_most_of_the_turn_under_its_speaker_or_a_speaker_with_a_new_name() {
        let check =
            |first_frame, end_frame, label: &str| Checked { first_frame, end_frame, label: label.into() };
        let now = BTreeSet::from(["Ann".to_owned(), "Bob".to_owned()]);
        let checks = Checks::new(
            vec![check(0, 100, "Ann"), check(210, 300, "SPEAKER_01"), check(290, 1000, "Bob")],
            &now,
        );
        let covered = |first_frame, end_frame, label: &str| {
            checks.cover(&Turn { first_frame, end_frame, speaker: 0 }, label)
        };
        assert!(covered(0, 100, "Ann") && covered(10, 150, "Ann") && covered(0, 200, "Ann"));
        assert!(!covered(0, 100, "Bob"), "it is shown under another since");
        assert!(!covered(0, 201, "Ann"), "most of it is new");
        assert!(covered(200, 300, "Bob") && covered(200, 300, "Ann"), "SPEAKER_01 has got a name");
        assert!(covered(900, 1000, "Bob") && !covered(1000, 1010, "Bob"));
    }
}
