//! Voices: the speakers found in a recording, and how much a piece sounds like each.

use crate::similarity::dot;
use crate::voice::{Cluster, Voice, direction, weighted_sum};
use serde::{Deserialize, Serialize};

/// The speakers found, in the order in which they are first heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Voices {
    /// Unit-length mean vectors.
    embeddings: Vec<Vec<f32>>,
}

impl Voices {
    /// The speakers to whom `clusters` of `voices` belong.
    pub fn of(voices: &[Voice], clusters: &[Cluster]) -> Self {
        let vectors: Vec<&[f32]> = voices.iter().map(|voice| voice.embedding).collect();
        let mean = |members: &Cluster| direction(&weighted_sum(voices, &vectors, members));
        Self { embeddings: clusters.iter().map(mean).collect() }
    }

    /// Number of speakers.
    pub fn len(&self) -> usize {
        self.embeddings.len()
    }

    /// True where nobody was found.
    pub fn is_empty(&self) -> bool {
        self.embeddings.is_empty()
    }

    /// Unit-length voice vector of each speaker.
    pub fn embeddings(&self) -> &[Vec<f32>] {
        &self.embeddings
    }

    /// Similarity of `embedding` to each speaker: cosines.
    pub fn scores(&self, embedding: &[f32]) -> Vec<f32> {
        self.embeddings.iter().map(|voice| dot(embedding, voice)).collect()
    }
}
