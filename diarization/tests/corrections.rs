//! Corrections of a result by a person hold, also when the recording is clustered anew; and without them nothing changes.

mod support {
    pub mod asking;
    pub mod scene;
}

use diarization::analysis::BlockAnalysis;
use diarization::corrections::{Corrected, Correction, Made, Newcomer, Refusal, Request, To, TurnShown};
use diarization::diarize::{Diarization, Settings};
use diarization::hints::Hints;
use diarization::labelling::Labelling;
use diarization::similarity::dot;
use diarization::timeline::Turn;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use support::asking::{
    ask, corrected, diarize, during, give, label, labelled, labels, merge, new, read, rename,
};

/// Three voices who take turns for four minutes.
static TALK: LazyLock<Vec<BlockAnalysis>> =
    LazyLock::new(|| support::scene::blocks(4, 16, |turn| (turn * 7 + turn / 5) % 3));

#[test]
fn without_corrections_the_result_is_what_it_was_also_by_the_decision_that_was_stored() {
    let expected = diarize(&TALK);
    assert_eq!(labels(&expected), ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]);
    assert_eq!(corrected(&TALK, &Settings::default(), &[]), expected);
    let decision = labelled(&TALK, &Settings::default()).decision();
    let again = read(&TALK, Labelling::again(&Settings::default(), decision.clone()));
    assert_eq!(again.decision(), decision);
    assert_eq!(again.clone().diarization(), expected);
    assert_eq!(Corrected::of(again, &[]).0.diarization(), expected);
}

#[test]
fn a_new_name_is_shown_and_nothing_else_changes() {
    let before = diarize(&TALK);
    let (_, after) = ask(&TALK, &[rename("SPEAKER_01", " Ann ")]);
    assert_eq!(labels(&after), ["SPEAKER_00", "Ann", "SPEAKER_02"]);
    assert_eq!((&after.turns, &after.matches), (&before.turns, &before.matches));
}

#[test]
fn two_who_are_merged_are_one_under_the_label_of_the_one_that_was_named() {
    let before = diarize(&TALK);
    let (_, after) = ask(&TALK, &[merge("SPEAKER_00", "SPEAKER_02")]);
    assert_eq!(labels(&after), ["SPEAKER_01", "SPEAKER_02"]);
    let seconds =
        |found: &Diarization, of: &[usize]| of.iter().map(|&k| found.speakers[k].speech_seconds).sum::<f64>();
    assert!((seconds(&after, &[1]) - seconds(&before, &[0, 2])).abs() < 1e-6);
    assert_eq!(
        after.speakers[0].embedding, before.speakers[1].embedding,
        "who was not merged sounds as before"
    );
    assert!(
        after
            .matches
            .iter()
            .all(|it| it.choice.runner_up.is_none_or(|next| next.speaker != it.choice.best.speaker))
    );
    // The other way round it is the same but for the name.
    let (_, other) = ask(&TALK, &[merge("SPEAKER_02", "SPEAKER_00")]);
    assert_eq!(labels(&other), ["SPEAKER_00", "SPEAKER_01"]);
    let swapped = |turn: &Turn| Turn { speaker: 1 - turn.speaker, ..*turn };
    let mut turns: Vec<Turn> = other.turns.iter().map(swapped).collect();
    turns.sort_unstable();
    assert_eq!(turns, after.turns);
    assert_eq!(other.speakers[0].embedding, after.speakers[1].embedding);
}

#[test]
fn a_turn_that_is_moved_is_the_others_and_says_that_a_person_said_so() {
    let before = diarize(&TALK);
    let turn = *before.turns.iter().find(|t| t.speaker == 1).expect("speaks");
    let (_, after) = ask(&TALK, &[give(&before, &turn, To::Label("SPEAKER_02".into()))]);
    assert_eq!(during(&after, &turn), BTreeSet::from(["SPEAKER_02".to_owned()]));
    let told = after.choices();
    let moved = after.turns.iter().position(|t| t.first_frame == turn.first_frame).expect("is there");
    let why = told[moved].expect("has matches");
    assert!(why.corrected && why.best.confidence == 1.0 && why.runner_up.is_none(), "{why:?}");
    assert!(why.best.score.expect("has a voice") < 0.5, "it sounds like another");
    let others = |found: &Diarization| {
        found.turns.iter().filter(|t| t.first_frame != turn.first_frame).copied().collect::<Vec<_>>()
    };
    assert_eq!(others(&after), others(&before), "nobody else's turn has changed");
    assert_ne!(after.speakers[2].embedding, before.speakers[2].embedding, "whose voice is another with it");
    assert_eq!(after.speakers[0], before.speakers[0]);
}

#[test]
fn a_turn_moved_to_somebody_new_is_theirs_and_so_is_one_too_short_to_have_a_voice() {
    let before = diarize(&TALK);
    let long = before.turns[3];
    let short =
        *before.turns.iter().find(|t| t.end_frame - t.first_frame < 20).expect("there are short ones");
    let (_, after) = ask(&TALK, &[give(&before, &long, new("Zoe")), give(&before, &short, new("Yes"))]);
    assert_eq!(labels(&after), ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02", "Zoe", "Yes"]);
    assert_eq!(during(&after, &long), BTreeSet::from(["Zoe".to_owned()]));
    assert_eq!(during(&after, &short), BTreeSet::from(["Yes".to_owned()]));
    assert!((dot(&after.speakers[3].embedding, &after.speakers[3].embedding) - 1.0).abs() < 1e-5);
    assert!(after.speakers[4].embedding.is_empty());
}

#[test]
fn a_speaker_all_of_whose_turns_are_given_away_is_no_longer_there() {
    let (mut requests, mut after) = (Vec::new(), diarize(&TALK));
    // What is too short to have a voice goes with what is beside it.
    while let Some(turn) = after.turns.iter().find(|t| label(&after, t) == "SPEAKER_01") {
        requests.push(give(&after, turn, To::Label("SPEAKER_00".into())));
        after = ask(&TALK, &requests).1;
    }
    assert!(requests.len() > 10, "{}", requests.len());
    assert_eq!(labels(&after), ["SPEAKER_00", "SPEAKER_02"]);
}

#[test]
fn what_cannot_be_done_is_refused_and_said_why() {
    let found = diarize(&TALK);
    let (state, _) = Corrected::of(labelled(&TALK, &Settings::default()), &[]);
    let refused = |request: Request| state.correction(&request).expect_err("is refused");
    assert!(
        refused(rename("Bob", "Ann"))
            .to_string()
            .contains("its speakers are: SPEAKER_00, SPEAKER_01, SPEAKER_02")
    );
    assert_eq!(refused(rename("SPEAKER_00", "SPEAKER_01")), Refusal::Taken("SPEAKER_01".into()));
    assert_eq!(refused(rename("SPEAKER_00", "SPEAKER 01")), Refusal::Taken("SPEAKER 01".into()));
    assert_eq!(refused(rename("SPEAKER_00", "SPEAKER_00")), Refusal::Same("SPEAKER_00".into()));
    assert!(matches!(refused(rename("SPEAKER_00", "a\u{202e}b")), Refusal::BadName(_)));
    assert!(matches!(refused(rename("SPEAKER_00", &"x".repeat(81))), Refusal::BadName(_)));
    assert_eq!(refused(merge("SPEAKER_00", "SPEAKER_00")), Refusal::Same("SPEAKER_00".into()));
    let turn = found.turns[0];
    assert!(matches!(refused(give(&found, &turn, new("SPEAKER_02"))), Refusal::Taken(_)));
    let longer = Turn { end_frame: turn.end_frame + 1, ..turn };
    assert!(matches!(refused(give(&found, &longer, new("Zoe"))), Refusal::NoSuchTurn { .. }));
}

#[test]
fn corrections_hold_when_the_recording_is_clustered_anew_with_another_threshold() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    let (made, after) = ask(
        &TALK,
        &[
            rename("SPEAKER_00", "Ann"),
            merge("SPEAKER_01", "SPEAKER_02"),
            Request::Move {
                turn: TurnShown {
                    first_frame: turn.first_frame as u32,
                    end_frame: turn.end_frame as u32,
                    speaker: if turn.speaker == 0 { "Ann" } else { "SPEAKER_02" }.into(),
                },
                to: new("Zoe"),
            },
        ],
    );
    assert_eq!(labels(&after), ["Ann", "SPEAKER_02", "Zoe"]);
    for threshold in [0.02, 0.3, 0.6, 0.8, 0.9] {
        let hints = Hints { threshold: threshold.try_into().expect("a threshold"), ..Hints::default() };
        let settings = Settings { hints, ..Settings::default() };
        let uncorrected = labelled(&TALK, &settings).diarization();
        let found = corrected(&TALK, &settings, &made);
        assert_eq!(during(&found, &turn), BTreeSet::from(["Zoe".to_owned()]), "{threshold}");
        // Whoever were merged are one, however many they are found to be now.
        let merged = before.turns.iter().filter(|t| t.speaker != 0 && **t != turn);
        let who: BTreeSet<String> = merged.flat_map(|t| during(&found, t)).collect();
        assert_eq!(who.len(), 1, "{threshold}: {who:?}, without corrections {:?}", labels(&uncorrected));
        assert!(labels(&found).contains(&"Ann"), "{threshold}");
    }
}

#[test]
fn who_was_told_apart_from_another_stays_so_where_the_two_are_one_voice_now() {
    let before = diarize(&TALK);
    let turn = *before.turns.iter().find(|t| t.speaker == 1).expect("speaks");
    let (made, _) = ask(&TALK, &[give(&before, &turn, To::Label("SPEAKER_02".into()))]);
    let hints = Hints::new(Some(1), None, None, Default::default()).expect("hints");
    let found = corrected(&TALK, &Settings { hints, ..Settings::default() }, &made);
    assert_eq!(labels(&found), ["SPEAKER_00", "SPEAKER_02"]);
    assert_eq!(during(&found, &turn), BTreeSet::from(["SPEAKER_02".to_owned()]));
}

#[test]
fn a_correction_of_other_analyses_is_found_by_time() {
    let before = diarize(&TALK);
    let turn = before.turns[5];
    let (made, _) = ask(&TALK, &[give(&before, &turn, new("Zoe")), merge("SPEAKER_00", "SPEAKER_01")]);
    // Slots have other numbers, and everything begins a little earlier or later.
    let mut blocks = TALK.clone();
    for block in &mut blocks {
        block.slots.iter_mut().for_each(|bits| *bits = (*bits << 1 | *bits >> 2) & 7);
        block.slots.rotate_left(5);
        for piece in &mut block.pieces {
            piece.slot = (piece.slot + 1) % 3;
            let shift = 5.min(piece.first_frame - block.block * diarization::blocks::BLOCK_FRAMES);
            piece.first_frame -= shift;
            piece.end_frame -= 5;
        }
    }
    let other: Vec<Made> = made.into_iter().map(|it| Made { same_analyses: false, ..it }).collect();
    let (state, applied) = Corrected::of(labelled(&blocks, &Settings::default()), &other);
    assert_eq!(applied, [true, true]);
    let found = state.diarization();
    let inner = Turn { first_frame: turn.first_frame + 10, end_frame: turn.end_frame - 10, ..turn };
    assert_eq!(during(&found, &inner), BTreeSet::from(["Zoe".to_owned()]));
    assert_eq!(found.speakers.len(), 3, "{:?}", labels(&found));
}

#[test]
fn a_correction_whose_speech_is_gone_changes_nothing_and_says_so() {
    let before = diarize(&TALK);
    let turn = *before.turns.last().expect("a turn");
    let (mut made, _) = ask(&TALK, &[give(&before, &turn, new("Zoe")), rename("SPEAKER_00", "Ann")]);
    let Correction::Rename { speaker, .. } = &mut made[1].correction else { panic!("is a rename") };
    speaker
        .spoke
        .iter_mut()
        .for_each(|it| (it.first_frame, it.end_frame) = (it.first_frame + 100_000, it.end_frame + 100_000));
    let mut blocks = TALK.clone();
    let last = blocks.last_mut().expect("a block");
    (last.slots, last.pieces) = (vec![0; last.slots.len()], Vec::new());
    let (state, applied) = Corrected::of(labelled(&blocks, &Settings::default()), &made);
    assert_eq!(applied, [false, false]);
    assert_eq!(state.diarization(), diarize(&blocks));
}

#[test]
fn names_stay_unique_where_the_merge_that_had_freed_one_no_longer_applies() {
    let before = diarize(&TALK);
    let (mut made, after) = ask(
        &TALK,
        &[
            give(&before, &before.turns[4], new("Zoe")),
            merge("Zoe", "SPEAKER_00"),
            rename("SPEAKER_01", "Zoe"),
        ],
    );
    assert_eq!(labels(&after), ["SPEAKER_00", "Zoe", "SPEAKER_02"]);
    let Correction::Merge { into, .. } = &mut made[1].correction else { panic!("is a merge") };
    into.spoke.clear();
    let (state, applied) = Corrected::of(labelled(&TALK, &Settings::default()), &made);
    assert_eq!(applied, [true, false, true]);
    assert_eq!(labels(&state.diarization()), ["SPEAKER_00", "Zoe", "SPEAKER_02", "SPEAKER_03"]);
}

#[test]
fn a_correction_is_read_as_it_was_stored() {
    let before = diarize(&TALK);
    let (made, _) = ask(&TALK, &[rename("SPEAKER_00", "Ann"), merge("SPEAKER_01", "SPEAKER_02")]);
    let (moved, _) = ask(&TALK, &[give(&before, &before.turns[0], new("Zoe"))]);
    for it in made.iter().chain(&moved) {
        let text = serde_json::to_string(&it.correction).expect("writes");
        assert_eq!(serde_json::from_str::<Correction>(&text).expect("reads"), it.correction);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is asked for, in whatever order: what was moved last stays where it was put, labels are unique, all speech is
    /// somebody's, and taking the corrections back one by one gives what was there before, to the byte.
    #[test]
    fn corrections_add_up_and_are_taken_back(steps in prop::collection::vec((0_usize..3, 0_usize..100, 0_usize..100), 1..8)) {
        let base = labelled(&TALK, &Settings::default());
        let (mut state, _) = Corrected::of(base.clone(), &[]);
        let (mut made, mut results) = (Vec::new(), vec![state.diarization()]);
        for (number, (kind, a, b)) in steps.into_iter().enumerate() {
            let now = state.diarization();
            let (turn, other) = (now.turns[a % now.turns.len()], &now.speakers[b % now.speakers.len()].label);
            let name = format!("Person {number}");
            let request = match kind {
                0 => rename(other, &name),
                1 => merge(&label(&now, &turn), other),
                _ if b % 2 == 0 => give(&now, &turn, To::New(Newcomer { name, similar: b % 4 == 0 })),
                _ => give(&now, &turn, To::Label(other.clone())),
            };
            let Ok(correction) = state.correction(&request) else { continue };
            let one = Made { correction, same_analyses: true };
            prop_assert!(state.apply(&one));
            made.push(one);
            let after = state.diarization();
            let speech = |found: &Diarization| found.speakers.iter().map(|s| s.speech_seconds).sum::<f64>();
            prop_assert!((speech(&after) - speech(&now)).abs() < 1e-6);
            prop_assert_eq!(labels(&after).into_iter().collect::<BTreeSet<_>>().len(), after.speakers.len());
            if let Request::Move { to: To::New(Newcomer { name: to, .. }) | To::Label(to), .. } = request {
                prop_assert_eq!(during(&after, &turn), BTreeSet::from([to]));
            }
            results.push(after);
        }
        for count in (0..=made.len()).rev() {
            let (again, applied) = Corrected::of(base.clone(), &made[..count]);
            prop_assert!(applied.into_iter().all(|it| it));
            prop_assert_eq!(&again.diarization(), &results[count]);
        }
    }
}
