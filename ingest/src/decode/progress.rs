//! Progress: what decoding commits, fenced by the run.

use super::reader::{ReadyChunk, Whole};
use crate::context::Context;
use crate::outbox;
use crate::upkeep::chunk_audio::run_folder;
use diarization::audio::Wish;
use diarization::diarize::Settings;
use service_kit::messages::{ChunkJob, DecodeJob, RecordingDecoded};
use service_kit::{topology, transaction};
use sqlx::types::Json;
use uuid::Uuid;

/// Configurations of which workers read f32.
const UNPACKED: [&str; 3] =
    ["blocks-24x148.pieces-3s.1", "blocks-24x148.pieces-3s.2", "blocks-24x148.pieces-3s.3"];

/// A recording whose decoding is in hand.
#[derive(Clone, Debug)]
pub struct Decoding {
    /// True where it was decoded to the end before: this job is a duplicate.
    pub ended: bool,
    /// Object that holds the upload.
    pub upload_object: String,
    /// Blocks per chunk.
    pub chunk_blocks: usize,
    /// Chunks that are cut already, the first ones.
    pub cut: usize,
    /// Uploader's wish for channels.
    pub wish: Wish,
    model_version: String,
    configuration: String,
}

impl Decoding {
    /// True where its workers read samples as [`diarization::pcm`] packs them. Recordings of older releases are pinned to another
    /// configuration, and to workers that do not.
    pub fn is_packed(&self) -> bool {
        !UNPACKED.contains(&self.configuration.as_str())
    }

    /// The job for a chunk.
    pub fn job_for(&self, job: &DecodeJob, chunk: &ReadyChunk) -> ChunkJob {
        ChunkJob {
            recording: job.recording,
            run: job.run,
            chunk: chunk.index as u32,
            first_block: chunk.chunk.first_block as u32,
            blocks: chunk.chunk.blocks as u32,
            // The run is in the name: chunks of two runs, cut from the same upload by two programs, never meet.
            object: format!("{}/chunks/{}", run_folder(job.recording, job.run), chunk.index),
            samples: chunk.samples,
            channels: chunk.channels,
            model_version: self.model_version.clone(),
            configuration: self.configuration.clone(),
        }
    }
}

/// Takes the recording in hand; `None` if it is not this run's to decode.
pub async fn begin(context: &Context, job: &DecodeJob) -> Result<Option<Decoding>, sqlx::Error> {
    transaction::run(&context.pool, "begin decoding", &context.shutdown, async |transaction| {
        let row = sqlx::query!(
            r#"UPDATE recordings SET state = 'processing', updated_at = now()
               WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing')
               RETURNING upload_object, chunk_blocks, model_version, configuration, chunk_count, settings AS "settings: Json<Settings>",
                         (SELECT count(*) FROM chunks c WHERE c.recording_id = id) AS "cut!""#,
            job.recording,
            job.run
        )
        .fetch_optional(&mut **transaction)
        .await?;
        Ok(row.map(|row| Decoding {
            ended: row.chunk_count.is_some(),
            upload_object: row.upload_object,
            chunk_blocks: usize::try_from(row.chunk_blocks).unwrap_or(1),
            cut: usize::try_from(row.cut).unwrap_or(0),
            wish: row.settings.0.wish(),
            model_version: row.model_version,
            configuration: row.configuration,
        }))
    })
    .await
}

/// Lets a stored chunk wait its turn, once however often it is stored; false if the run is over.
pub async fn order(context: &Context, order: &ChunkJob) -> Result<bool, sqlx::Error> {
    transaction::run_through_locks(&context.pool, "order chunk", &context.shutdown, async |transaction| {
        // Shared, not key-shared: a reprocessing that raises the run must wait until this row is in, so that it deletes it.
        let current = sqlx::query_scalar!(
            "SELECT id FROM recordings WHERE id = $1 AND run = $2 AND state = 'processing' FOR SHARE",
            order.recording,
            order.run
        )
        .fetch_optional(&mut **transaction)
        .await?;
        if current.is_none() {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO chunks (recording_id, chunk, object, samples, channels, released_at)
             VALUES ($1, $2, $3, $4, $5, NULL) ON CONFLICT DO NOTHING",
            order.recording,
            order.chunk as i32,
            order.object,
            order.samples as i64,
            order.channels as i16
        )
        .execute(&mut **transaction)
        .await?;
        Ok(true)
    })
    .await
}

/// Writes how many chunks there are and how loud it is, and tells the matcher, once.
pub async fn end(context: &Context, job: &DecodeJob, whole: &Whole) -> Result<(), sqlx::Error> {
    let notice = RecordingDecoded { recording: job.recording, run: job.run };
    transaction::run_through_locks(&context.pool, "end decoding", &context.shutdown, async |transaction| {
        let ended = sqlx::query!(
            "UPDATE recordings SET chunk_count = $3, samples = $4, warnings = $5, updated_at = now()
             WHERE id = $1 AND run = $2 AND state = 'processing' AND chunk_count IS NULL",
            job.recording,
            job.run,
            whole.chunks as i32,
            whole.samples as i64,
            &whole.warnings
        )
        .execute(&mut **transaction)
        .await?;
        if ended.rows_affected() == 1 {
            sqlx::query!(
                "INSERT INTO waveforms (recording_id, peaks) VALUES ($1, $2)
                 ON CONFLICT (recording_id) DO UPDATE SET peaks = excluded.peaks",
                job.recording,
                &whole.peaks
            )
            .execute(&mut **transaction)
            .await?;
            outbox::add(transaction, job.recording, topology::MATCH, &notice).await?;
        }
        Ok(())
    })
    .await
}

/// Lets the decoding wait until it is ordered again ([`crate::release`]); what is cut stays.
pub async fn park(context: &Context, job: &DecodeJob) -> Result<(), sqlx::Error> {
    transaction::run(&context.pool, "park decoding", &context.shutdown, async |transaction| {
        sqlx::query!(
            "UPDATE recordings SET decode_ordered_at = NULL WHERE id = $1 AND run = $2 AND chunk_count IS NULL",
            job.recording,
            job.run
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    })
    .await
}

/// Ends the recording as failed, in words for its uploader.
pub async fn fail(context: &Context, job: &DecodeJob, words: &str) -> Result<(), sqlx::Error> {
    transaction::run_through_locks(&context.pool, "fail decoding", &context.shutdown, async |transaction| {
        sqlx::query!(
            "UPDATE recordings SET state = 'failed', failure = $3, updated_at = now()
             WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing') AND chunk_count IS NULL",
            job.recording,
            job.run,
            words
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    })
    .await
}

/// True while the recording is in work in this run.
pub async fn is_wanted(context: &Context, job: &DecodeJob) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM recordings WHERE id = $1 AND run = $2 AND state IN ('queued', 'processing')",
        job.recording,
        job.run
    );
    Ok(found.fetch_optional(&context.pool).await?.is_some())
}

/// True while the recording is not deleted.
pub async fn exists(context: &Context, recording: Uuid) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!("SELECT id FROM recordings WHERE id = $1", recording);
    Ok(found.fetch_optional(&context.pool).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use diarization::blocks::Chunk;

    #[test]
    fn a_chunks_job_says_where_its_samples_are_and_who_may_analyse_them() {
        let decoding = Decoding {
            ended: false,
            upload_object: "u".into(),
            chunk_blocks: 5,
            cut: 0,
            wish: Wish::default(),
            model_version: "m".into(),
            configuration: "c".into(),
        };
        let bytes = vec![0; 8].into();
        let chunk = ReadyChunk { index: 2, chunk: Chunk::nth(2, 5), samples: 1, channels: 2, bytes };
        let order = decoding.job_for(&DecodeJob { recording: Uuid::nil(), run: 3 }, &chunk);
        assert_eq!((order.chunk, order.first_block, order.blocks, order.run), (2, 10, 5, 3));
        assert_eq!((order.samples, order.channels), (1, 2));
        assert_eq!(order.object, format!("recordings/{}/runs/3/chunks/2", Uuid::nil()));
        assert_eq!((order.model_version.as_str(), order.configuration.as_str()), ("m", "c"));
    }
}
