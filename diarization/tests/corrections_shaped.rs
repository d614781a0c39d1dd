//! A person splits a turn, moves its borders, removes it or adds one that was missed; that holds, and can be taken back.

mod support {
    #[allow(dead_code, reason = "other tests use the rest")]
    pub mod asking;
    pub mod scene;
}

use diarization::analysis::BlockAnalysis;
use diarization::blocks::BLOCK_FRAMES;
use diarization::corrections::{Corrected, Correction, Edge, Made, Refusal, Request, To};
use diarization::diarize::{Diarization, Settings};
use diarization::hints::Hints;
use diarization::timeline::Turn;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use support::asking::{ask, corrected, diarize, during, give, label, labelled, labels, new, rename, shown};

/// Three voices who take turns for four minutes.
static TALK: LazyLock<Vec<BlockAnalysis>> =
    LazyLock::new(|| support::scene::blocks(4, 16, |turn| (turn * 7 + turn / 5) % 3));

fn split(found: &Diarization, turn: &Turn, at_frame: usize) -> Request {
    Request::Split { turn: shown(found, turn), at_frame: at_frame as u32 }
}

fn border(found: &Diarization, turn: &Turn, edge: Edge, at_frame: usize) -> Request {
    Request::Border { turn: shown(found, turn), edge, at_frame: at_frame as u32 }
}

fn remove(found: &Diarization, turn: &Turn) -> Request {
    Request::Remove { turn: shown(found, turn) }
}

fn add(first_frame: usize, end_frame: usize, to: To) -> Request {
    Request::Add { first_frame: first_frame as u32, end_frame: end_frame as u32, to }
}

/// First and end frame of the turns of a speaker that share frames with `frames`.
fn spans(found: &Diarization, speaker: &str, frames: std::ops::Range<usize>) -> Vec<(usize, usize)> {
    let near = |it: &&Turn| it.first_frame < frames.end && frames.start < it.end_frame;
    let own = found.turns.iter().filter(near).filter(|it| label(found, it) == speaker);
    own.map(|it| (it.first_frame, it.end_frame)).collect()
}

/// The turns, but for one.
fn without(found: &Diarization, turn: &Turn) -> Vec<Turn> {
    found.turns.iter().filter(|it| *it != turn).copied().collect()
}

#[test]
fn a_turn_that_is_split_is_two_and_each_can_be_given_to_somebody_else() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    let (first, middle, end) = (turn.first_frame, turn.first_frame + 80, turn.end_frame);
    let (_, after) = ask(&TALK, &[split(&before, &turn, middle)]);
    assert_eq!(spans(&after, &label(&before, &turn), first..end), [(first, middle), (middle, end)]);
    assert_eq!(after.speakers, before.speakers, "nobody said anything of who it is");
    assert_eq!(after.matches, before.matches);
    let second = Turn { first_frame: middle, ..turn };
    let (_, after) = ask(&TALK, &[split(&before, &turn, middle), give(&after, &second, new("Zoe"))]);
    assert_eq!(spans(&after, "Zoe", first..end), [(middle, end)]);
    assert_eq!(spans(&after, &label(&before, &turn), first..end), [(first, middle)]);
    let told = after.choices();
    let of =
        |it: &Turn| after.turns.iter().position(|turn| turn.first_frame == it.first_frame).expect("is there");
    assert!(told[of(&second)].expect("has a match").corrected);
    assert!(!told[of(&turn)].expect("has a match").corrected, "of the first part a person said nothing");
}

#[test]
fn a_turn_that_was_split_is_split_again() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    let at = |frame: usize| turn.first_frame + frame;
    let (_, two) = ask(&TALK, &[split(&before, &turn, at(80))]);
    let second = Turn { first_frame: at(80), ..turn };
    let requests = [
        split(&before, &turn, at(80)),
        split(&two, &second, at(150)),
        split(&two, &Turn { end_frame: at(80), ..turn }, at(30)),
    ];
    let (_, after) = ask(&TALK, &requests);
    let found = spans(&after, &label(&before, &turn), turn.first_frame..turn.end_frame);
    assert_eq!(found, [(at(0), at(30)), (at(30), at(80)), (at(80), at(150)), (at(150), turn.end_frame)]);
}

#[test]
fn a_border_is_moved_inwards_and_outwards() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    let speaker = label(&before, &turn);
    let (first, end) = (turn.first_frame, turn.end_frame);
    for (edge, at, expected) in [
        (Edge::Start, first + 30, (first + 30, end)),
        (Edge::Start, first - 10, (first - 10, end)),
        (Edge::End, end - 30, (first, end - 30)),
        (Edge::End, end + 10, (first, end + 10)),
    ] {
        let (_, after) = ask(&TALK, &[border(&before, &turn, edge, at)]);
        assert_eq!(spans(&after, &speaker, first..end), [expected], "{edge:?} {at}");
        let others = Turn { first_frame: expected.0, end_frame: expected.1, ..turn };
        assert_eq!(without(&after, &others), without(&before, &turn), "nobody else's turn has changed");
    }
    // Over the border of a block, and over what somebody else says.
    let long = BLOCK_FRAMES + 100;
    let (_, after) = ask(&TALK, &[border(&before, &turn, Edge::End, long)]);
    let whole = spans(&after, &speaker, first..long);
    assert!(whole[0].0 == first && whole[0].1 >= long && whole.len() == 1, "{whole:?}");
}

#[test]
fn the_border_between_two_parts_of_one_turn_moves_both() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    let speaker = label(&before, &turn);
    let (first, end) = (turn.first_frame, turn.end_frame);
    let halves = split(&before, &turn, first + 100);
    let (left, right) = (Turn { end_frame: first + 100, ..turn }, Turn { first_frame: first + 100, ..turn });
    for (request, at) in [
        (border(&before, &left, Edge::End, first + 150), first + 150),
        (border(&before, &right, Edge::Start, first + 50), first + 50),
    ] {
        let (_, after) = ask(&TALK, &[halves.clone(), request]);
        assert_eq!(spans(&after, &speaker, first..end), [(first, at), (at, end)]);
    }
}

#[test]
fn several_turns_of_one_speaker_are_corrected_as_one() {
    let before = diarize(&TALK);
    let own: Vec<Turn> = before.turns.iter().filter(|it| it.speaker == 1).copied().collect();
    let (first, last) = (own[2], own[4]);
    let whole = Turn { end_frame: last.end_frame, ..first };
    let (_, after) = ask(&TALK, &[give(&before, &whole, new("Zoe"))]);
    let moved: Vec<(usize, usize)> = own[2..5].iter().map(|it| (it.first_frame, it.end_frame)).collect();
    assert_eq!(spans(&after, "Zoe", 0..usize::MAX), moved);
    let others = |found: &Diarization| {
        let names = ["SPEAKER_00", "SPEAKER_02"];
        names.map(|name| spans(found, name, 0..usize::MAX))
    };
    assert_eq!(others(&after), others(&before), "what others say in between stays theirs");
    let (_, after) = ask(&TALK, &[border(&before, &whole, Edge::Start, own[3].first_frame + 20)]);
    let left = spans(&after, &label(&before, &whole), whole.first_frame..whole.end_frame);
    assert_eq!(left, [(own[3].first_frame + 20, own[3].end_frame), (last.first_frame, last.end_frame)]);
    let (state, _) = Corrected::of(labelled(&TALK, &Settings::default()), &[]);
    let pause = state.correction(&split(&before, &whole, first.end_frame + 10));
    assert!(matches!(pause, Err(Refusal::Pause(_))), "{pause:?}");
}

#[test]
fn what_is_removed_is_nobodys_and_a_speaker_without_speech_is_gone() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    let (_, after) = ask(&TALK, &[remove(&before, &turn)]);
    assert_eq!(after.turns, without(&before, &turn));
    assert!(during(&after, &turn).is_empty());
    let mut requests = Vec::new();
    let mut now = before.clone();
    while let Some(turn) = now.turns.iter().find(|it| label(&now, it) == "SPEAKER_01") {
        requests.push(remove(&now, turn));
        now = ask(&TALK, &requests).1;
    }
    assert_eq!(labels(&now), ["SPEAKER_00", "SPEAKER_02"]);
}

#[test]
fn what_was_missed_is_added_to_a_speaker_or_to_somebody_new() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    // Over another turn, and over the border of a block.
    let over = (turn.first_frame + 20, turn.first_frame + 120);
    let wide = (BLOCK_FRAMES - 300, BLOCK_FRAMES + 300);
    let (_, after) =
        ask(&TALK, &[add(over.0, over.1, new("Zoe")), add(wide.0, wide.1, To::Label("Zoe".into()))]);
    assert_eq!(spans(&after, "Zoe", 0..usize::MAX), [over, wide]);
    let others: Vec<Turn> = after.turns.iter().filter(|it| label(&after, it) != "Zoe").copied().collect();
    assert_eq!(others, before.turns, "the others speak as before");
    assert!(after.speakers[3].embedding.is_empty(), "nothing was heard of them");
    let told = after.choices();
    let zoes = after.turns.iter().zip(told).filter(|(it, _)| label(&after, it) == "Zoe");
    assert!(
        zoes.map(|(_, why)| why.expect("has matches")).all(|why| why.corrected && why.best.confidence == 1.0)
    );
    // What was added can be shaped as well: two added over each other are two speakers' turns.
    let added = Turn { first_frame: over.0, end_frame: over.1, speaker: 3 };
    let requests = [add(over.0, over.1, new("Zoe")), add(over.0, over.1, new("Yva")), remove(&after, &added)];
    let (_, last) = ask(&TALK, &requests);
    assert_eq!(labels(&last), ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02", "Yva"]);
    assert_eq!(spans(&last, "Yva", 0..usize::MAX), [over]);
}

#[test]
fn what_was_removed_is_added_again_under_another_name() {
    let before = diarize(&TALK);
    let turn = before.turns[4];
    let (_, after) = ask(&TALK, &[remove(&before, &turn), add(turn.first_frame, turn.end_frame, new("Zoe"))]);
    assert_eq!(during(&after, &turn), BTreeSet::from(["Zoe".to_owned()]));
}

#[test]
fn shapes_hold_when_the_recording_is_clustered_anew_and_in_other_analyses() {
    let before = diarize(&TALK);
    let [to_split, to_move, to_remove] = [4, 7, 20].map(|index| before.turns[index]);
    let at = to_split.first_frame + 100;
    let added = Turn { first_frame: 9_000, end_frame: 9_100, speaker: 0 };
    let (made, _) = ask(
        &TALK,
        &[
            split(&before, &to_split, at),
            give(&before, &Turn { first_frame: at, ..to_split }, new("Zoe")),
            border(&before, &to_move, Edge::End, to_move.end_frame - 50),
            remove(&before, &to_remove),
            add(added.first_frame, added.end_frame, new("Yva")),
        ],
    );
    let holds = |found: &Diarization, slack: usize, what: &str| {
        let inner = |first_frame: usize, end_frame: usize| Turn {
            first_frame: first_frame + slack,
            end_frame: end_frame - slack,
            speaker: 0,
        };
        assert_eq!(
            during(found, &inner(at, to_split.end_frame)),
            BTreeSet::from(["Zoe".to_owned()]),
            "{what}"
        );
        assert!(!during(found, &inner(to_split.first_frame, at)).contains("Zoe"), "{what}");
        assert!(during(found, &inner(to_move.end_frame - 50, to_move.end_frame)).is_empty(), "{what}");
        assert!(!during(found, &inner(to_move.first_frame, to_move.end_frame - 50)).is_empty(), "{what}");
        assert!(during(found, &inner(to_remove.first_frame, to_remove.end_frame)).is_empty(), "{what}");
        assert!(during(found, &added).contains("Yva"), "{what}");
    };
    for threshold in [0.02, 0.3, 0.6, 0.9] {
        let hints = Hints { threshold: threshold.try_into().expect("a threshold"), ..Hints::default() };
        holds(
            &corrected(&TALK, &Settings { hints, ..Settings::default() }, &made),
            0,
            &threshold.to_string(),
        );
    }
    // Slots have other numbers, and everything begins a little earlier.
    let mut blocks = TALK.clone();
    for block in &mut blocks {
        block.slots.iter_mut().for_each(|bits| *bits = (*bits << 1 | *bits >> 2) & 7);
        block.slots.rotate_left(5);
        for piece in &mut block.pieces {
            piece.slot = (piece.slot + 1) % 3;
            piece.first_frame -= 5.min(piece.first_frame - block.block * BLOCK_FRAMES);
            piece.end_frame -= 5;
        }
    }
    let other: Vec<Made> = made.into_iter().map(|it| Made { same_analyses: false, ..it }).collect();
    holds(&corrected(&blocks, &Settings::default(), &other), 10, "other analyses");
}

#[test]
fn what_cannot_be_done_is_refused_and_said_why() {
    let found = diarize(&TALK);
    let (state, _) = Corrected::of(labelled(&TALK, &Settings::default()), &[]);
    let refused = |request: Request| state.correction(&request).expect_err("is refused");
    let turn = found.turns[4];
    let (first, end) = (turn.first_frame, turn.end_frame);
    let whose = label(&found, &turn);
    for at in [0, first, first + 5, end - 5, end, end + 100] {
        assert_eq!(refused(split(&found, &turn, at)), Refusal::TooShort, "{at}");
    }
    assert_eq!(refused(border(&found, &turn, Edge::Start, first)), Refusal::Unmoved);
    assert_eq!(refused(border(&found, &turn, Edge::Start, end)), Refusal::TooShort);
    assert!(matches!(
        refused(border(&found, &turn, Edge::End, 4 * BLOCK_FRAMES + 1)),
        Refusal::PastTheEnd(_)
    ));
    assert_eq!(refused(add(5, 5, new("Zoe"))), Refusal::TooShort);
    assert!(matches!(refused(add(0, 4 * BLOCK_FRAMES + 1, new("Zoe"))), Refusal::PastTheEnd(_)));
    assert!(matches!(refused(add(first, end, To::Label(whose.clone()))), Refusal::SpeaksThere(..)));
    assert!(matches!(refused(add(0, 100, To::Label("Bob".into()))), Refusal::NoSuchSpeaker(..)));
    assert!(matches!(refused(add(0, 100, new(&whose))), Refusal::Taken(_)));
    let mut ending = state.clone();
    ending.end_at(end + 10);
    let longer = |by: usize| ending.correction(&border(&found, &turn, Edge::End, end + by));
    assert!(longer(10).is_ok() && matches!(longer(11), Err(Refusal::PastTheEnd(_))));
    let longer = Turn { end_frame: end + 1, ..turn };
    assert!(matches!(refused(remove(&found, &longer)), Refusal::NoSuchTurn { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is asked for, in whatever order: what was asked for is so, it is read as it is stored, no speaker has two turns at once, and
    /// taking the corrections back one by one gives what was there before, to the byte.
    #[test]
    fn shapes_add_up_and_are_taken_back(steps in prop::collection::vec((0_usize..6, 0_usize..100, 6_usize..300), 1..10)) {
        let base = labelled(&TALK, &Settings::default());
        let (mut state, _) = Corrected::of(base.clone(), &[]);
        let (mut made, mut results) = (Vec::new(), vec![state.diarization()]);
        for (number, (kind, a, b)) in steps.into_iter().enumerate() {
            let now = state.diarization();
            // Few turns, so that what is asked for meets what was asked before.
            let turn = now.turns[a % 8];
            let whose = label(&now, &turn);
            let other = now.speakers[b % now.speakers.len()].label.clone();
            let request = match kind {
                0 => split(&now, &turn, turn.first_frame + b),
                1 => border(&now, &turn, Edge::Start, (turn.first_frame + 150).saturating_sub(b)),
                2 => border(&now, &turn, Edge::End, turn.end_frame + b - 6),
                3 => remove(&now, &turn),
                4 => add(turn.end_frame - 6, turn.end_frame + b, if b % 3 == 0 { new(&format!("Person {number}")) } else { To::Label(other) }),
                _ => give(&now, &turn, To::Label(other)),
            };
            let Ok(correction) = state.correction(&request) else { continue };
            let text = serde_json::to_string(&correction).expect("writes");
            prop_assert_eq!(&serde_json::from_str::<Correction>(&text).expect("reads"), &correction);
            let one = Made { correction, same_analyses: true };
            prop_assert!(state.apply(&one));
            made.push(one);
            let after = state.diarization();
            let (first, end) = (turn.first_frame, turn.end_frame);
            let own = spans(&after, &whose, first..end);
            match request {
                Request::Split { .. } => prop_assert!(own.contains(&(first, first + b)) && own.contains(&(first + b, end))),
                Request::Border { edge: Edge::Start, at_frame, .. } =>
                    prop_assert!(own.iter().any(|it| it.0 <= at_frame as usize && it.1 == end), "{:?}", own),
                Request::Border { at_frame, .. } =>
                    prop_assert!(own.iter().any(|it| it.0 == first && it.1 >= at_frame as usize), "{:?}", own),
                Request::Remove { .. } => prop_assert!(own.is_empty(), "{:?}", own),
                Request::Add { first_frame, end_frame, to: To::Label(to) } => {
                    let frames = first_frame as usize..end_frame as usize;
                    let there = spans(&after, &to, frames.clone());
                    prop_assert!(there.iter().map(|it| it.1.min(frames.end) - it.0.max(frames.start)).sum::<usize>() == frames.len());
                }
                _ => {}
            }
            for turns in after.turns.chunk_by(|one, other| one.speaker == other.speaker) {
                prop_assert!(turns.windows(2).all(|it| it[0].end_frame <= it[1].first_frame));
            }
            let places: BTreeSet<_> = after.matches.iter().map(|it| (it.first_frame, it.slot)).collect();
            prop_assert_eq!(places.len(), after.matches.len(), "each match has a place of its own");
            results.push(after);
        }
        for count in (0..=made.len()).rev() {
            let (again, applied) = Corrected::of(base.clone(), &made[..count]);
            prop_assert!(applied.into_iter().all(|it| it));
            prop_assert_eq!(&again.diarization(), &results[count]);
        }
    }
}

#[test]
fn a_name_given_to_whoever_was_only_added_holds() {
    let (_, after) = ask(&TALK, &[add(100, 200, new("Zoe")), rename("Zoe", "Yva")]);
    assert_eq!(labels(&after), ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02", "Yva"]);
}
