//! Evidence: whose voice a piece is taken for, how alike the two are, how sure that is, and who comes next.
//!
//! The figures of a piece ([`crate::scored`]) are stored. Those of a turn or of a part of a recording are the mean over its pieces, worked
//! out when they are read. So they depend neither on chunks nor on what happened to be matched together.

use crate::pieces::Piece;
use crate::timeline::Turn;
use std::collections::BTreeMap;

/// Share that remains of a confidence where speech too short to have a voice follows a piece beside it.
const FOLLOWING: f32 = 0.6;

/// A speaker by whom something may be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Number of the speaker.
    pub speaker: usize,
    /// Cosine of the voices, -1 to 1; `None` of speech too short to have a voice.
    pub score: Option<f32>,
    /// Probability that it is by this speaker, 0 to 1.
    pub confidence: f32,
}

/// Speaker that something is given to, and who comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The speaker.
    pub best: Candidate,
    /// The next, where there is another.
    pub runner_up: Option<Candidate>,
    /// True where a person said so.
    pub corrected: bool,
}

impl Choice {
    /// Choice by what was heard.
    pub fn heard(best: Candidate, runner_up: Option<Candidate>) -> Self {
        Self { best, runner_up, corrected: false }
    }

    /// Choice of a person: it is `speaker`, whose voice is as much like it as `score` says. Nobody comes next.
    pub fn of_person(speaker: usize, score: Option<f32>) -> Self {
        Self { best: Candidate { speaker, score, confidence: 1.0 }, runner_up: None, corrected: true }
    }

    /// Of speech without a voice of its own, beside a piece of this choice.
    pub fn followed(self) -> Self {
        let follow = |it: Candidate| Candidate { score: None, confidence: it.confidence * FOLLOWING, ..it };
        Self::heard(follow(self.best), self.runner_up.map(follow))
    }

    /// The same with speakers as `named` numbers them, each with a number of its own; nothing where the speaker has none. A runner-up that
    /// has none is none.
    pub fn named(self, named: impl Fn(usize) -> Option<usize>) -> Option<Self> {
        let name = |it: Candidate| named(it.speaker).map(|speaker| Candidate { speaker, ..it });
        let best = name(self.best)?;
        Some(Self { best, runner_up: self.runner_up.and_then(name), ..self })
    }
}

/// Speaker that a piece is given to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// First frame of the piece, counted from the start of the recording.
    pub first_frame: usize,
    /// One past its last frame.
    pub end_frame: usize,
    /// Its slot inside its block.
    pub slot: u8,
    /// The speaker, and who comes next.
    pub choice: Choice,
}

impl Match {
    /// The match of `piece`.
    pub fn of(piece: &Piece, choice: Choice) -> Self {
        let Piece { first_frame, end_frame, slot, .. } = *piece;
        Self { first_frame, end_frame, slot, choice }
    }
}

/// The matches of `pieces`, of those that have a speaker.
pub fn matches<'a>(pieces: impl IntoIterator<Item = &'a Piece>, choices: &[Option<Choice>]) -> Vec<Match> {
    pieces.into_iter().zip(choices).filter_map(|(piece, choice)| Some(Match::of(piece, (*choice)?))).collect()
}

/// Means over matches of one speaker, weighted by their frames.
#[derive(Clone, Debug, Default)]
struct Mean {
    frames: usize,
    confidence: f64,
    score: Score,
    others: BTreeMap<usize, (f64, Score)>,
    /// True where a person said so of any of it.
    corrected: bool,
}

/// Mean of the scores that there are.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    frames: usize,
    sum: f64,
}

impl Score {
    fn add(&mut self, score: Option<f32>, frames: usize) {
        if let Some(score) = score {
            self.frames += frames;
            self.sum += f64::from(score) * frames as f64;
        }
    }

    fn mean(self) -> Option<f32> {
        (self.frames > 0).then(|| (self.sum / self.frames as f64) as f32)
    }
}

impl Mean {
    fn add(&mut self, choice: &Choice, frames: usize) {
        self.frames += frames;
        self.corrected |= choice.corrected && frames > 0;
        self.confidence += f64::from(choice.best.confidence) * frames as f64;
        self.score.add(choice.best.score, frames);
        if let Some(next) = choice.runner_up {
            let (confidence, score) = self.others.entry(next.speaker).or_default();
            *confidence += f64::from(next.confidence) * frames as f64;
            score.add(next.score, frames);
        }
    }

    fn choice(self, speaker: usize) -> Option<Choice> {
        let frames = (self.frames > 0).then_some(self.frames as f64)?;
        let candidate = |speaker, score: Score, confidence: f64| Candidate {
            speaker,
            score: score.mean(),
            confidence: (confidence / frames) as f32,
        };
        let next = self.others.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(a.0)));
        Some(Choice {
            best: candidate(speaker, self.score, self.confidence),
            runner_up: next.map(|(&k, &(confidence, score))| candidate(k, score, confidence)),
            corrected: self.corrected,
        })
    }
}

/// The choice behind each of `turns`: the mean over its pieces, each weighted by its share of the turn, and the runner-up that is the
/// likeliest over all of it, with at least that confidence: what it has where it comes third is not counted. So the confidence of a turn is the share of it that is expected to be by its speaker. `matches` are by
/// their first frame. `None` of a turn without pieces.
pub fn of_turns(turns: &[Turn], matches: &[Match]) -> Vec<Option<Choice>> {
    let longest = matches.iter().map(|it| it.end_frame - it.first_frame).max().unwrap_or_default();
    let of_turn = |turn: &Turn| {
        let from = matches.partition_point(|it| it.first_frame + longest <= turn.first_frame);
        let mut mean = Mean::default();
        for it in matches[from..].iter().take_while(|it| it.first_frame < turn.end_frame) {
            let shared =
                it.end_frame.min(turn.end_frame).saturating_sub(it.first_frame.max(turn.first_frame));
            if it.choice.best.speaker == turn.speaker {
                mean.add(&it.choice, shared);
            }
        }
        mean.choice(turn.speaker)
    };
    turns.iter().map(of_turn).collect()
}

/// Evidence for a speaker in a part of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Number of the part.
    pub part: usize,
    /// Frames of the pieces that the speaker was given in it, short pauses included.
    pub frames: usize,
    /// The speaker, and who comes next.
    pub choice: Choice,
}

/// Per part of `frames` frames and speaker the mean over the pieces that begin in it, by part and then by speaker.
pub fn of_parts(matches: &[Match], frames: usize) -> Vec<Part> {
    let mut means: BTreeMap<(usize, usize), Mean> = BTreeMap::new();
    for it in matches {
        let mean = means.entry((it.first_frame / frames, it.choice.best.speaker)).or_default();
        mean.add(&it.choice, it.end_frame - it.first_frame);
    }
    let part = |((part, speaker), mean): ((usize, usize), Mean)| {
        Some(Part { part, frames: mean.frames, choice: mean.choice(speaker)? })
    };
    means.into_iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(speaker: usize, score: f32, confidence: f32) -> Candidate {
        Candidate { speaker, score: Some(score), confidence }
    }

    fn a_match(first_frame: usize, end_frame: usize, best: Candidate, next: Option<Candidate>) -> Match {
        Match { first_frame, end_frame, slot: 0, choice: Choice::heard(best, next) }
    }

    #[test]
    fn speakers_get_other_numbers() {
        let choice = Choice::heard(candidate(2, 0.6, 0.9), Some(candidate(1, 0.3, 0.1)));
        let named = choice.named(|k| Some(k + 1)).expect("has a number");
        assert_eq!((named.best.speaker, named.runner_up.map(|it| it.speaker)), (3, Some(2)));
        assert_eq!(choice.named(|k| (k == 1).then_some(1)), None);
        assert_eq!(choice.named(|k| (k == 2).then_some(5)).and_then(|c| c.runner_up), None);
    }

    #[test]
    fn a_turn_is_as_sure_as_its_pieces_by_their_share_of_it() {
        let matches = [
            a_match(0, 100, candidate(0, 0.8, 1.0), Some(candidate(1, 0.0, 0.0))),
            a_match(40, 60, candidate(1, 0.2, 0.3), None),
            a_match(100, 200, candidate(0, 0.4, 0.5), Some(candidate(2, 0.3, 0.4))),
        ];
        let turn = |first_frame, end_frame, speaker| Turn { first_frame, end_frame, speaker };
        let found =
            of_turns(&[turn(0, 200, 0), turn(50, 150, 0), turn(45, 50, 1), turn(300, 310, 1)], &matches);
        let whole = found[0].expect("a choice");
        assert!(
            (whole.best.confidence - 0.75).abs() < 1e-6
                && (whole.best.score.expect("a score") - 0.6).abs() < 1e-6
        );
        assert_eq!(whole.runner_up, Some(candidate(2, 0.3, 0.2)));
        assert_eq!(found[1].expect("a choice").best, whole.best);
        assert_eq!(found[2], Some(Choice::heard(candidate(1, 0.2, 0.3), None)));
        assert_eq!(found[3], None);
    }

    #[test]
    fn speech_that_follows_another_has_no_score_and_is_less_sure() {
        let lead = Choice::heard(candidate(0, 0.8, 0.9), None);
        let follower = lead.followed();
        assert!(follower.best.score.is_none() && follower.best.confidence < 0.6);
        let one = a_match(0, 100, lead.best, None);
        let other = Match { first_frame: 100, end_frame: 120, slot: 0, choice: follower };
        let turn = Turn { first_frame: 0, end_frame: 120, speaker: 0 };
        let both = of_turns(&[turn], &[one, other])[0].expect("a choice");
        assert!((both.best.score.expect("a score") - 0.8).abs() < 1e-6, "what has none does not count");
    }

    #[test]
    fn a_part_has_a_line_per_speaker_heard_in_it() {
        let matches = [
            a_match(0, 90, candidate(1, 0.5, 0.8), None),
            a_match(95, 105, candidate(1, 0.5, 0.6), None),
            a_match(100, 150, candidate(0, 0.7, 0.9), None),
        ];
        let parts = of_parts(&matches, 100);
        assert_eq!(
            parts.iter().map(|p| (p.part, p.choice.best.speaker, p.frames)).collect::<Vec<_>>(),
            [(0, 1, 100), (1, 0, 50)]
        );
        assert!((parts[0].choice.best.confidence - 0.78).abs() < 1e-6);
    }
}
