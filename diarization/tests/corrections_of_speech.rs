//! Corrections of real speech: two people who were taken for one, and one who was taken for two.

mod support {
    pub mod analyses;
    #[allow(dead_code, reason = "made-up recordings use the rest")]
    pub mod asking;
    pub mod audio;
    #[allow(dead_code, reason = "the scenarios use the rest")]
    pub mod conversation;
    pub mod models;
}

use diarization::corrections::{Corrected, Made, Newcomer, Request, To};
use diarization::diarize::{Diarization, Settings};
use diarization::hints::Hints;
use diarization::timeline::Turn;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use support::asking::{self, labelled, new};
use support::conversation::{ADAM, BETH, CARL, Conversation, Voice, shared_seconds, speaker_during};

/// Two people, four turns each.
fn conversation_of(one: Voice, other: Voice) -> Conversation {
    (0..4).fold(Conversation::default(), |talk, turn| talk.says(one, turn).says(other, turn))
}

fn asked_for(speakers: usize) -> Settings {
    let hints = Hints::new(Some(speakers), None, None, Default::default()).expect("hints");
    Settings { hints, ..Settings::default() }
}

fn make(state: &mut Corrected, request: &Request) -> Made {
    let made = Made { correction: state.correction(request).expect("can be made"), same_analyses: true };
    assert!(state.apply(&made));
    made
}

/// Moves all that is said in `span` to `to`.
fn give(state: &mut Corrected, span: &Range<f64>, to: &To) -> Vec<Made> {
    let found = state.diarization();
    let inside = |it: &&Turn| it.start_seconds() < span.end && it.end_seconds() > span.start;
    let turns: Vec<_> = found.turns.iter().filter(inside).copied().collect();
    let mut all = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let to = match to {
            To::New(new) if number > 0 => To::Label(new.name.clone()),
            other => other.clone(),
        };
        all.push(make(state, &Request::Move { turn: asking::shown(&found, turn), to }));
    }
    all
}

fn label_during(found: &Diarization, span: &Range<f64>) -> String {
    found.speakers[speaker_during(span, &found.turns)].label.clone()
}

#[test]
fn who_was_taken_for_somebody_else_is_told_apart_by_hand_and_stays_so_when_clustered_anew() {
    let talk = conversation_of(ADAM, BETH);
    let blocks = talk.analyse();
    let (mut state, _) = Corrected::of(labelled(&blocks, &asked_for(1)), &[]);
    let beth: Vec<&Range<f64>> =
        talk.said.iter().filter(|(who, _)| *who == BETH.folder).map(|(_, span)| span).collect();
    let mut made = give(&mut state, beth[0], &new("Beth"));
    for span in &beth[1..] {
        made.extend(give(&mut state, span, &To::Label("Beth".into())));
    }
    talk.assert_each_voice_has_one_speaker(&state.diarization().turns);
    let by_hand = state.diarization();
    let by_itself = labelled(&blocks, &asked_for(2)).diarization();
    let alike =
        diarization::similarity::dot(&by_hand.speakers[1].embedding, &by_itself.speakers[1].embedding);
    assert!(alike > 0.95, "she sounds as she does where she is told apart by her voice: {alike}");
    for speakers in [1, 2, 3] {
        let (again, applied) = Corrected::of(labelled(&blocks, &asked_for(speakers)), &made);
        assert!(applied.iter().all(|it| *it), "asked for {speakers}: {applied:?}");
        for span in &beth {
            assert_eq!(label_during(&again.diarization(), span), "Beth", "asked for {speakers}");
        }
    }
}

#[test]
fn who_was_taken_for_somebody_else_is_told_apart_by_one_turn() {
    let talk = conversation_of(ADAM, BETH);
    let (mut state, _) = Corrected::of(labelled(&talk.analyse(), &asked_for(1)), &[]);
    let (_, span) = talk.said.iter().find(|(who, _)| *who == BETH.folder).expect("speaks");
    let before = state.diarization();
    let turn = before.turns.iter().find(|turn| turn.start_seconds() >= span.start).expect("is heard");
    let to = To::New(Newcomer { name: "Beth".into(), similar: true });
    make(&mut state, &asking::give(&before, turn, to));
    let found = state.diarization();
    talk.assert_each_voice_has_one_speaker(&found.turns);
    assert_eq!(found.speakers.len(), 2);
}

#[test]
fn who_was_taken_for_two_is_one_by_hand_and_stays_so_when_clustered_anew() {
    let talk = conversation_of(BETH, CARL);
    let blocks = talk.analyse();
    let (mut state, _) = Corrected::of(labelled(&blocks, &asked_for(3)), &[]);
    let found = state.diarization();
    assert_eq!(found.speakers.len(), 3);
    let people: Vec<&str> = (0..3).map(|speaker| person(&talk, &found, speaker)).collect();
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let (a, b) =
        pairs.into_iter().find(|(a, b)| people[*a] == people[*b]).expect("two people have three labels");
    let label = |k: usize| found.speakers[k].label.clone();
    let made = [make(&mut state, &Request::Merge { speaker: label(b), into: label(a) })];
    talk.assert_each_voice_has_one_speaker(&state.diarization().turns);
    for speakers in [2, 3, 4] {
        let (again, applied) = Corrected::of(labelled(&blocks, &asked_for(speakers)), &made);
        assert_eq!(applied, [true]);
        let found = again.diarization();
        let own = talk.said.iter().filter(|(who, _)| *who == people[a]);
        let labels: BTreeSet<String> = own.map(|(_, span)| label_during(&found, span)).collect();
        assert_eq!(labels.len(), 1, "asked for {speakers}: {labels:?}");
    }
}

/// Person whose voice most of a speaker's speech is.
fn person(talk: &Conversation, found: &Diarization, speaker: usize) -> &'static str {
    let mut seconds: BTreeMap<&'static str, f64> = BTreeMap::new();
    for (who, span) in &talk.said {
        let own = found.turns.iter().filter(|turn| turn.speaker == speaker);
        *seconds.entry(who).or_default() += own.map(|turn| shared_seconds(turn, span)).sum::<f64>();
    }
    seconds.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("somebody speaks").0
}
