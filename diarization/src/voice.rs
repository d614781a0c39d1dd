//! Voice: a voice vector and what stands behind it.

use crate::similarity::normalise;

/// A piece, or several whose vectors are alike.
#[derive(Clone, Copy, Debug)]
pub struct Voice<'a> {
    /// Unit-length vector of a piece. Of several the mean, weighted by their seconds, which is shorter: so that the inner product
    /// of two voices is the mean cosine between their pieces.
    pub embedding: &'a [f32],
    /// Seconds of clean speech, positive.
    pub seconds: f64,
    /// Pieces it stands for.
    pub count: usize,
}

/// Some voices of a list: their indices, ascending.
pub type Cluster = Vec<usize>;

impl<'a> Voice<'a> {
    /// The voice of one piece.
    pub fn of_piece(embedding: &'a [f32], seconds: f64) -> Self {
        Self { embedding, seconds, count: 1 }
    }
}

/// Seconds of `members` of `voices` together.
pub fn seconds(voices: &[Voice], members: &[usize]) -> f64 {
    members.iter().map(|&i| voices[i].seconds).sum()
}

/// Sum over `members` of their `vectors`, each weighted by the seconds of its voice.
pub fn weighted_sum<V: AsRef<[f32]>>(voices: &[Voice], vectors: &[V], members: &[usize]) -> Vec<f64> {
    let dimension = members.first().map_or(0, |&i| vectors[i].as_ref().len());
    let mut sum = vec![0.0; dimension];
    for &i in members {
        for (total, &x) in sum.iter_mut().zip(vectors[i].as_ref()) {
            *total += f64::from(x) * voices[i].seconds;
        }
    }
    sum
}

/// `sum` scaled to length 1. Vectors that cancel out have no direction; the zero vector is equally unlike every voice.
pub fn direction(sum: &[f64]) -> Vec<f32> {
    let vector: Vec<f32> = sum.iter().map(|&x| x as f32).collect();
    let dimension = vector.len();
    normalise(vector).unwrap_or_else(|| vec![0.0; dimension])
}
