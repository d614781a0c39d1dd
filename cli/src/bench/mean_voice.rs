//! Mean voice: what the vectors of all speakers lie around, over recordings with a reference. What [`diarization::mean_voice`] holds
//! was found so.

use diarization::analysis::BlockAnalysis;
use diarization::pieces::Piece;
use diarization::rttm::Segment;
use diarization::timeline::Turn;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Pieces with less clean speech are left out.
const LEAST_S: f64 = 1.5;
/// Numbers of a line.
const LINE: usize = 12;

/// Sum of the mean vectors of speakers, and their number.
#[derive(Clone, Debug, Default)]
pub struct MeanVoice {
    sum: Vec<f64>,
    speakers: usize,
}

impl MeanVoice {
    /// Adds the mean vector of each speaker of `reference`: of the pieces that are mostly theirs, weighted by their seconds.
    pub fn add(&mut self, blocks: &[BlockAnalysis], reference: &[Segment]) {
        let mut speakers: BTreeMap<&str, (Vec<f64>, f64)> = BTreeMap::new();
        for piece in blocks.iter().flat_map(|block| &block.pieces) {
            let (seconds, speaker) = (piece.clean_seconds(), who_speaks(piece, reference));
            let (Some(embedding), Some(speaker)) = (&piece.embedding, speaker) else { continue };
            if seconds < LEAST_S {
                continue;
            }
            let (sum, total) = speakers.entry(speaker).or_default();
            sum.resize(embedding.len(), 0.0);
            sum.iter_mut().zip(embedding).for_each(|(sum, &x)| *sum += f64::from(x) * seconds);
            *total += seconds;
        }
        for (sum, total) in speakers.into_values() {
            self.sum.resize(sum.len(), 0.0);
            self.sum.iter_mut().zip(&sum).for_each(|(all, one)| *all += one / total);
            self.speakers += 1;
        }
    }

    /// The mean, as it is written in Rust.
    pub fn text(&self) -> String {
        let mut text = format!("// mean voice of {} speakers\n", self.speakers);
        let mean: Vec<String> = self.sum.iter().map(|x| format!("{:.4}", x / self.speakers as f64)).collect();
        for line in mean.chunks(LINE) {
            let _ = writeln!(text, "    {},", line.join(", "));
        }
        text
    }
}

/// Who of the reference speaks most of the time of `piece`.
fn who_speaks<'a>(piece: &Piece, reference: &'a [Segment]) -> Option<&'a str> {
    let turn = Turn { first_frame: piece.first_frame, end_frame: piece.end_frame, speaker: 0 };
    let mut seconds: BTreeMap<&str, f64> = BTreeMap::new();
    for segment in reference {
        let end = turn.end_seconds().min(segment.start_s + segment.duration_s);
        let shared = end - turn.start_seconds().max(segment.start_s);
        if shared > 0.0 {
            *seconds.entry(&segment.speaker).or_default() += shared;
        }
    }
    seconds.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(speaker, _)| speaker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first_frame: usize, clean_frames: usize, embedding: [f32; 2]) -> Piece {
        let (end_frame, embedding) = (first_frame + clean_frames, Some(embedding.to_vec()));
        Piece { first_frame, end_frame, slot: 0, clean_frames, embedding }
    }

    fn said(start_s: f64, duration_s: f64, speaker: &str) -> Segment {
        Segment { file: "a".into(), start_s, duration_s, speaker: speaker.into() }
    }

    #[test]
    fn every_speaker_counts_once_however_much_they_speak_and_short_pieces_do_not() {
        let pieces = vec![
            piece(0, 120, [1.0, 0.0]),
            piece(120, 120, [1.0, 0.0]),
            piece(600, 120, [0.0, 1.0]),
            piece(800, 50, [0.0, -1.0]),
        ];
        let block = BlockAnalysis { block: 0, slots: vec![1; 900], pieces };
        let mut mean = MeanVoice::default();
        mean.add(&[block], &[said(0.0, 4.5, "one"), said(10.0, 5.0, "other")]);
        assert_eq!(mean.text(), "// mean voice of 2 speakers\n    0.5000, 0.5000,\n");
    }
}
