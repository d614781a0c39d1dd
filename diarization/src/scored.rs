//! Scored: a piece with its likeness to every voice, and how sure it is whose it is.
//!
//! Confidence is a probability: that the speech is by that speaker, and by nobody else who was found or was not. With the cosines `s` of a
//! piece to the voices, `P(k) = exp(a s_k) / (Σ exp(a s_j) + exp(NOBODY))` with `a = SHARPNESS`. Both numbers were fitted by maximum
//! likelihood on real conversations and mixtures of them; how well they hold on sources left out is in docs/decisions/0008 and in what
//! `throughline bench` prints.

use crate::cast::IMPOSSIBLE;
use crate::evidence::{Candidate, Choice};
use std::collections::BTreeMap;

const SHARPNESS: f64 = 8.0;
const NOBODY: f64 = 0.66;

/// Similarity of a piece to each voice, and the voice that it is given to.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Cosine of its own voice to each.
    pub own: Vec<f32>,
    /// Scores that decide: the same, leaning on the piece's neighbours where it is short.
    pub heard: Vec<f32>,
    /// Number of the voice that it is given to.
    pub voice: usize,
    /// Voice that it would have been given to, had not another piece been given that at the same time.
    pub taken: Option<usize>,
}

impl Scored {
    /// The choice among speakers, where `speaker_of` says whose each voice is; nothing where this piece's is nobody's. Several voices of one
    /// speaker count together; those of nobody speak for somebody who is not shown.
    pub fn choice(&self, speaker_of: impl Fn(usize) -> Option<usize>) -> Option<Choice> {
        let speaker = speaker_of(self.voice)?;
        // By speaker: likelihood against nobody's, and the highest cosine.
        let mut speakers: BTreeMap<usize, (f64, f32)> = BTreeMap::new();
        let mut total = 1.0;
        for (voice, (&own, &heard)) in self.own.iter().zip(&self.heard).enumerate() {
            let of = speaker_of(voice);
            if own == IMPOSSIBLE || Some(voice) == self.taken && of != Some(speaker) {
                continue;
            }
            let likelihood = (SHARPNESS * f64::from(heard) - NOBODY).exp();
            total += likelihood;
            if let Some(of) = of {
                let known = speakers.entry(of).or_insert((0.0, own));
                *known = (known.0 + likelihood, known.1.max(own));
            }
        }
        let candidate = |(&speaker, &(likelihood, score)): (&usize, &(f64, f32))| Candidate {
            speaker,
            score: Some(score),
            confidence: (likelihood / total) as f32,
        };
        let best = speakers.get_key_value(&speaker).map(candidate)?;
        let others = speakers.iter().filter(|(of, _)| **of != speaker);
        let next = others.max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(a.0)));
        Some(Choice::heard(best, next.map(candidate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scored(scores: &[f32], voice: usize, taken: Option<usize>) -> Scored {
        Scored { own: scores.to_vec(), heard: scores.to_vec(), voice, taken }
    }

    proptest! {
        #[test]
        fn the_confidence_of_the_likelier_is_higher_and_all_add_up_to_less_than_one(
            scores in prop::collection::vec(-1.0_f32..1.0, 1..12)
        ) {
            let of = |voice| scored(&scores, voice, None).choice(Some).expect("is somebody's");
            let all: Vec<f32> = (0..scores.len()).map(|k| of(k).best.confidence).collect();
            prop_assert!(all.iter().sum::<f32>() < 1.0 + 1e-6 && all.iter().all(|p| *p > 0.0));
            for (k, confidence) in all.iter().enumerate() {
                let next = of(k).runner_up;
                prop_assert_eq!(next.is_some(), scores.len() > 1);
                if let Some(next) = next {
                    prop_assert!(next.speaker != k && next.confidence == all[next.speaker]);
                    let others = scores.iter().enumerate().filter(|(other, _)| *other != k);
                    prop_assert!(others.into_iter().all(|(_, &score)| score <= scores[next.speaker]));
                    prop_assert_eq!(confidence >= &next.confidence, scores[k] >= scores[next.speaker]);
                }
            }
        }
    }

    #[test]
    fn confidences_are_those_of_the_decision() {
        // exp(8 s - 0.66) of each, over one and their sum.
        let choice = scored(&[0.6, 0.1], 0, None).choice(Some).expect("is somebody's");
        assert!((choice.best.confidence - 0.96689).abs() < 1e-4, "{choice:?}");
        assert!(choice.runner_up.is_some_and(|it| (it.confidence - 0.017709).abs() < 1e-4), "{choice:?}");
    }

    #[test]
    fn what_is_heard_around_it_decides_and_its_own_voice_is_shown() {
        let both = Scored { own: vec![0.1, 0.3], heard: vec![0.7, 0.2], voice: 0, taken: None };
        let choice = both.choice(Some).expect("is somebody's");
        assert_eq!((choice.best.score, choice.runner_up.and_then(|it| it.score)), (Some(0.1), Some(0.3)));
        assert!(choice.best.confidence > 0.9);
    }

    #[test]
    fn who_speaks_elsewhere_at_that_moment_is_out_of_the_question() {
        let of = |taken| scored(&[0.6, 0.5, 0.1], 1, taken).choice(Some).expect("is somebody's");
        let (open, taken) = (of(None), of(Some(0)));
        assert_eq!(
            (open.runner_up.map(|it| it.speaker), taken.runner_up.map(|it| it.speaker)),
            (Some(0), Some(2))
        );
        assert!(open.best.confidence < 0.5 && taken.best.confidence > 0.9);
    }

    #[test]
    fn two_voices_that_are_shown_as_one_speaker_count_together_and_the_next_is_another() {
        let voices = scored(&[0.6, 0.6, 0.4], 0, None);
        let apart = voices.choice(Some).expect("is somebody's");
        let one = voices.choice(|voice| Some(voice / 2)).expect("is somebody's");
        assert!(apart.best.confidence < 0.5 && one.best.confidence > 0.8, "{apart:?} {one:?}");
        assert_eq!((one.best.speaker, one.runner_up.map(|it| it.speaker)), (0, Some(1)));
        // Nobody's voice is no runner-up, but it may be that voice.
        let nobody = voices.choice(|voice| (voice != 1).then_some(voice)).expect("is somebody's");
        assert_eq!(nobody.best, apart.best);
        assert_eq!(nobody.runner_up.map(|it| it.speaker), Some(2));
        assert_eq!(voices.choice(|_| None), None);
    }

    #[test]
    fn a_voice_on_another_channel_is_out_of_the_question() {
        let of = |scores: &[f32]| scored(scores, 0, None).choice(Some).expect("is somebody's");
        let alone = of(&[0.4, IMPOSSIBLE]);
        assert_eq!((alone, alone.runner_up), (of(&[0.4]), None));
    }
}
