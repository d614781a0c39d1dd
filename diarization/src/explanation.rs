//! Explanation: why a turn is its speaker's, as people and programs read it.

use crate::evidence::{Candidate, Choice};
use serde::{Deserialize, Serialize};

/// Confidence of a label, similarity of the voices, and who comes next. Figures have three decimals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Probability that the speaker is right, 0 to 1.
    pub confidence: f64,
    /// Cosine of the voices, -1 to 1; `None` of speech too short to have a voice.
    pub score: Option<f64>,
    /// The next, where there is another.
    pub runner_up: Option<RunnerUp>,
    /// True where a person said so of any of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub corrected: bool,
}

/// Speaker that it is if it is not the one chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// Label.
    pub speaker: String,
    /// Probability that it is this speaker.
    pub confidence: f64,
    /// As of the speaker.
    pub score: Option<f64>,
}

fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1000.0).round() / 1000.0
}

impl Explanation {
    /// Explanation of `choice`, whose speakers are named by `label`.
    pub fn of(choice: &Choice, label: impl Fn(usize) -> String) -> Self {
        let runner_up = |it: Candidate| RunnerUp {
            speaker: label(it.speaker),
            confidence: rounded(it.confidence),
            score: it.score.map(rounded),
        };
        Self {
            confidence: rounded(choice.best.confidence),
            score: choice.best.score.map(rounded),
            runner_up: choice.runner_up.map(runner_up),
            corrected: choice.corrected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_and_names_who_comes_next() {
        let candidate = |speaker, score, confidence| Candidate { speaker, score, confidence };
        let choice = Choice::heard(candidate(0, Some(0.612_34), 0.973_99), Some(candidate(1, None, 0.021_5)));
        let explanation = Explanation::of(&choice, |speaker| ["Ann", "Bob"][speaker].to_owned());
        assert_eq!(
            serde_json::to_value(&explanation).expect("writes"),
            serde_json::json!({
                "confidence": 0.974,
                "score": 0.612,
                "runner_up": { "speaker": "Bob", "confidence": 0.022, "score": null }
            })
        );
    }
}
