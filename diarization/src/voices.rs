//! Voices: the speakers found in a recording, and how much a piece sounds like each.

use crate::centre::Centre;
use crate::similarity::dot;
use crate::voice::{Cluster, Voice, direction, weighted_sum};
use serde::{Deserialize, Serialize};

/// The speakers found, in the order in which they are first heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Voices {
    centre: Centre,
    /// Unit-length directions from the centre.
    directions: Vec<Vec<f32>>,
    /// Unit-length mean vectors.
    embeddings: Vec<Vec<f32>>,
}

impl Voices {
    /// The speakers to whom `clusters` of `voices` belong.
    pub fn of(voices: &[Voice], centre: Centre, clusters: &[Cluster]) -> Self {
        let raw: Vec<&[f32]> = voices.iter().map(|voice| voice.embedding).collect();
        let seen: Vec<Vec<f32>> = raw.iter().map(|embedding| centre.direction_of(embedding)).collect();
        Self {
            directions: clusters.iter().map(|c| direction(&weighted_sum(voices, &seen, c))).collect(),
            embeddings: clusters.iter().map(|c| direction(&weighted_sum(voices, &raw, c))).collect(),
            centre,
        }
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

    /// Direction of each speaker from the recording's centre, of unit length.
    pub fn directions(&self) -> &[Vec<f32>] {
        &self.directions
    }

    /// The recording's centre.
    pub fn centre(&self) -> &Centre {
        &self.centre
    }

    /// How much `embedding` sounds like each speaker: cosines about the recording's centre.
    pub fn scores(&self, embedding: &[f32]) -> Vec<f32> {
        let seen = self.centre.direction_of(embedding);
        self.directions.iter().map(|direction| dot(&seen, direction)).collect()
    }
}
