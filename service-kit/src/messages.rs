//! Messages: what travels on the queues. Small, versioned, audio by reference.
//!
//! Bodies are MessagePack maps. The AMQP `type` property names the message with its version; a consumer refuses what it
//! does not know, so an old program never misreads a new message.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Content type of every body.
pub const CONTENT_TYPE: &str = "application/vnd.msgpack";

/// A message that can travel.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// Name with version, the AMQP `type` property.
    const TYPE: &'static str;
}

/// Decode and chunk a recording's upload. Consumed by ingest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeJob {
    /// The recording.
    pub recording: Uuid,
    /// Run of the recording: messages of an older run are stale.
    pub run: i32,
}

/// Analyse one chunk. Consumed by the workers of its model version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkJob {
    /// The recording.
    pub recording: Uuid,
    /// Run of the recording.
    pub run: i32,
    /// Number of the chunk, from 0.
    pub chunk: u32,
    /// First block of the chunk.
    pub first_block: u32,
    /// Blocks of the chunk; fewer may be present where the recording ends.
    pub blocks: u32,
    /// Object that holds the chunk's samples at 16 kHz, as `diarization::pcm` packs them; all of the first channel, then all of the second.
    pub object: String,
    /// Number of samples of each channel in the object.
    pub samples: u64,
    /// Number of channels in the object: 1, or 2 where the sides of a call are told apart.
    pub channels: u32,
    /// Model version that must analyse it.
    pub model_version: String,
    /// Configuration that must analyse it.
    pub configuration: String,
}

/// Analysis of one chunk by a worker. Consumed by the matcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkAnalysed {
    /// The recording.
    pub recording: Uuid,
    /// Run of the recording.
    pub run: i32,
    /// Number of the chunk.
    pub chunk: u32,
    /// Model version that analysed it.
    pub model_version: String,
    /// Configuration that analysed it.
    pub configuration: String,
    /// The block analyses, MessagePack.
    #[serde(with = "serde_bytes")]
    pub analysis: Vec<u8>,
}

/// All chunks of a recording are published and their number is in the database. Consumed by the matcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingDecoded {
    /// The recording.
    pub recording: Uuid,
    /// Run of the recording.
    pub run: i32,
}

impl Message for DecodeJob {
    const TYPE: &'static str = "decode-job.v1";
}
impl Message for ChunkJob {
    const TYPE: &'static str = "chunk-job.v2";
}
impl Message for ChunkAnalysed {
    const TYPE: &'static str = "chunk-analysed.v1";
}
impl Message for RecordingDecoded {
    const TYPE: &'static str = "recording-decoded.v1";
}

/// A body is not the message it says it is.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The type property is missing or names another message.
    #[error("the message is of type '{found}' where '{expected}' was expected")]
    Type {
        /// Type received.
        found: String,
        /// Type expected.
        expected: &'static str,
    },
    /// The body cannot be read.
    #[error("the body of the {0} message cannot be read: {1}")]
    Body(&'static str, rmp_serde::decode::Error),
}

/// The body of `message`.
pub fn encode(message: &impl Message) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(message)
}

/// Reads a body whose type property is `kind`.
pub fn decode<M: Message>(kind: &str, body: &[u8]) -> Result<M, MessageError> {
    if kind != M::TYPE {
        return Err(MessageError::Type { found: kind.to_owned(), expected: M::TYPE });
    }
    rmp_serde::from_slice(body).map_err(|error| MessageError::Body(M::TYPE, error))
}

/// The recording that a body is about, whatever message of ours it is, of this version or another; `None` for what is none.
pub fn recording_of(body: &[u8]) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct About {
        recording: Uuid,
    }
    rmp_serde::from_slice::<About>(body).ok().map(|about| about.recording)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_way() {
        let sent = DecodeJob { recording: Uuid::from_u128(7), run: 3 };
        let body = encode(&sent).expect("encodes");
        assert_eq!(decode::<DecodeJob>(DecodeJob::TYPE, &body).expect("decodes"), sent);
    }

    #[test]
    fn every_message_names_its_recording_also_to_a_program_that_does_not_know_it() {
        let recording = Uuid::from_u128(9);
        let analysed = ChunkAnalysed {
            recording,
            run: 1,
            chunk: 0,
            model_version: "m".into(),
            configuration: "c".into(),
            analysis: vec![1, 2, 3],
        };
        assert_eq!(recording_of(&encode(&analysed).expect("encodes")), Some(recording));
        let job = DecodeJob { recording, run: 1 };
        assert_eq!(recording_of(&encode(&job).expect("encodes")), Some(recording));
        assert_eq!(recording_of(b"rubbish"), None);
    }

    #[test]
    fn a_message_of_another_type_is_refused_and_so_is_rubbish() {
        let body = encode(&DecodeJob { recording: Uuid::nil(), run: 1 }).expect("encodes");
        assert!(matches!(decode::<ChunkJob>("decode-job.v1", &body), Err(MessageError::Type { .. })));
        assert!(matches!(decode::<ChunkJob>(ChunkJob::TYPE, &body), Err(MessageError::Body(..))));
        assert!(matches!(decode::<ChunkJob>(ChunkJob::TYPE, b"rubbish"), Err(MessageError::Body(..))));
    }
}
