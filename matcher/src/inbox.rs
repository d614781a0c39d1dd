//! Inbox: keeps the analysis of a chunk, once, whatever the broker delivers.

use crate::analysis::{self, Extent};
use crate::database::Database;
use crate::error::MatchError;
use crate::gaps;
use service_kit::messages::ChunkAnalysed;
use service_kit::telemetry;
use sqlx::types::Json;

/// Outcome for an analysis that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is in the inbox, now or since before.
    Kept,
    /// It is of a recording, a run or a model that is no longer asked for.
    Stale,
    /// It can never be used.
    Unusable(String),
}

/// Properties of an analysis' recording and chunk in the database.
#[derive(Clone, Debug)]
struct Expected {
    run: i32,
    model_version: String,
    configuration: String,
    chunk_blocks: i32,
    samples: Option<i64>,
    channels: Option<i16>,
}

/// Puts an analysis into the inbox, unless it is stale or unusable. Twice is once.
#[tracing::instrument(name = "inbox", skip_all, fields(recording = %message.recording, chunk = message.chunk))]
pub async fn keep(database: &Database, message: &ChunkAnalysed) -> Result<Receipt, MatchError> {
    let Ok(chunk) = i32::try_from(message.chunk) else {
        return Ok(Receipt::Unusable(format!("there cannot be a chunk {}", message.chunk)));
    };
    let work = async |transaction: &mut sqlx::PgTransaction<'static>| {
        // Shared, not only key-shared: a reprocessing raises the run, and that must wait until this row is in, so that it
        // is swept out with the others.
        let expected = sqlx::query_as!(
            Expected,
            r#"SELECT r.run, r.model_version, r.configuration, r.chunk_blocks, c.samples AS "samples?",
                      c.channels AS "channels?"
               FROM recordings r LEFT JOIN chunks c ON c.recording_id = r.id AND c.chunk = $2
               WHERE r.id = $1
               FOR SHARE OF r"#,
            message.recording,
            chunk
        )
        .fetch_optional(&mut **transaction)
        .await?;
        let receipt = receipt(expected.as_ref(), message);
        if receipt == Receipt::Kept {
            sqlx::query!(
                "INSERT INTO inbox (recording_id, chunk, model_version, configuration, analysis, trace)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                message.recording,
                chunk,
                message.model_version,
                message.configuration,
                message.analysis,
                Json(telemetry::current_context()) as _
            )
            .execute(&mut **transaction)
            .await?;
            gaps::close(transaction, message.recording, chunk).await?;
        }
        Ok(receipt)
    };
    Ok(database.run("inbox", work).await?)
}

/// Decides what becomes of an analysis.
fn receipt(expected: Option<&Expected>, message: &ChunkAnalysed) -> Receipt {
    let Some(expected) = expected else { return Receipt::Stale };
    if expected.run != message.run
        || expected.model_version != message.model_version
        || expected.configuration != message.configuration
    {
        return Receipt::Stale;
    }
    // The row of a chunk is committed before its job is sent.
    let (Some(samples), Ok(chunk_blocks)) =
        (expected.samples.and_then(|n| usize::try_from(n).ok()), usize::try_from(expected.chunk_blocks))
    else {
        return Receipt::Unusable(format!("the recording has no chunk {}", message.chunk));
    };
    let channels = expected.channels.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    let extent = Extent::of(message.chunk as usize, chunk_blocks, samples, channels);
    match analysis::check(&message.analysis, extent) {
        Ok(_) => Receipt::Kept,
        Err(flaw) => Receipt::Unusable(format!("chunk {}: {flaw}", message.chunk)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diarization::analysis::BlockAnalysis;
    use uuid::Uuid;

    fn message() -> ChunkAnalysed {
        let block = BlockAnalysis { block: 0, slots: vec![0; 10], pieces: vec![] };
        ChunkAnalysed {
            recording: Uuid::from_u128(1),
            run: 2,
            chunk: 0,
            model_version: "m1".into(),
            configuration: "c1".into(),
            analysis: rmp_serde::to_vec_named(&vec![block]).expect("encodes"),
        }
    }

    fn expected() -> Expected {
        Expected {
            run: 2,
            model_version: "m1".into(),
            configuration: "c1".into(),
            chunk_blocks: 1,
            samples: Some(2700),
            channels: Some(1),
        }
    }

    #[test]
    fn what_was_asked_for_is_kept() {
        assert_eq!(receipt(Some(&expected()), &message()), Receipt::Kept);
    }

    #[test]
    fn what_is_no_longer_asked_for_is_stale() {
        assert_eq!(receipt(None, &message()), Receipt::Stale);
        for old in [
            ChunkAnalysed { run: 1, ..message() },
            ChunkAnalysed { model_version: "m0".into(), ..message() },
            ChunkAnalysed { configuration: "c0".into(), ..message() },
        ] {
            assert_eq!(receipt(Some(&expected()), &old), Receipt::Stale);
        }
    }

    #[test]
    fn a_chunk_that_was_never_cut_and_rubbish_are_unusable() {
        let uncut = Expected { samples: None, ..expected() };
        assert!(
            matches!(receipt(Some(&uncut), &message()), Receipt::Unusable(why) if why.contains("no chunk 0"))
        );
        let rubbish = ChunkAnalysed { analysis: b"rubbish".to_vec(), ..message() };
        assert!(
            matches!(receipt(Some(&expected()), &rubbish), Receipt::Unusable(why) if why.contains("cannot be read"))
        );
    }
}
