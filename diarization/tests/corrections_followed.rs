//! Two people were taken for one: giving one turn to somebody new gives them the rest of theirs, if a person wants it so.

mod support {
    #[allow(dead_code, reason = "other corrections use the rest")]
    pub mod asking;
    pub mod scene;
}

use diarization::analysis::BlockAnalysis;
use diarization::corrections::following::{Rule, part};
use diarization::corrections::{Made, Newcomer, Request, To};
use diarization::diarize::{Diarization, Settings};
use diarization::evidence::Choice;
use diarization::hints::Hints;
use diarization::timeline::Turn;
use diarization::voice::Voice;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use support::asking::{self, ask_of, corrected, diarize, during, give, label, labelled, labels, merge, new};

/// Three voices who take turns for four minutes.
static TALK: LazyLock<Vec<BlockAnalysis>> =
    LazyLock::new(|| support::scene::blocks(4, 16, |turn| (turn * 7 + turn / 5) % 3));

fn found_as(speakers: usize) -> Settings {
    let hints = Hints::new(Some(speakers), None, None, Default::default()).expect("hints");
    Settings { hints, ..Settings::default() }
}

fn with_what_is_similar(name: &str) -> To {
    To::New(Newcomer { name: name.to_owned(), similar: true })
}

/// Corrections that `requests` become on a recording found as two speakers, and its result.
fn ask(requests: &[Request]) -> (Vec<Made>, Diarization) {
    ask_of(labelled(&TALK, &found_as(2)), requests)
}

/// The recording as two speakers, and the number of one whose label two people have, and a turn of the one of them who says less.
fn two_as_one() -> (Diarization, String, Turn) {
    let (as_two, as_three) = (ask(&[]).1, diarize(&TALK));
    assert_eq!((as_two.speakers.len(), as_three.speakers.len()), (2, 3));
    for speaker in 0..2 {
        let own: Vec<&Turn> = as_two.turns.iter().filter(|turn| turn.speaker == speaker).collect();
        let of = |person: usize| -> Vec<&&Turn> {
            let is = |turn: &&&Turn| {
                during(&as_three, turn) == BTreeSet::from([as_three.speakers[person].label.clone()])
            };
            own.iter().filter(is).filter(|turn| turn.end_frame - turn.first_frame > 100).collect()
        };
        let mut people: Vec<Vec<&&Turn>> = (0..3).map(of).filter(|turns| !turns.is_empty()).collect();
        people.sort_by_key(Vec::len);
        if people.len() == 2 {
            let turn = ***people[0].first().expect("has turns");
            return (as_two.clone(), as_two.speakers[speaker].label.clone(), turn);
        }
    }
    panic!("two people have one label: {:?}", as_two.turns)
}

/// The turns long enough to have a voice that the person who speaks in `turn` has.
fn same_person(turn: &Turn) -> Vec<Turn> {
    let as_three = diarize(&TALK);
    let who = during(&as_three, turn);
    let long = |it: &&Turn| it.end_frame - it.first_frame > 100;
    as_three.turns.iter().filter(long).filter(|it| during(&as_three, it) == who).copied().collect()
}

#[test]
fn one_turn_given_to_somebody_new_takes_along_what_sounds_like_it_and_nothing_else() {
    let (before, shared, turn) = two_as_one();
    let (_, alone) = ask(&[give(&before, &turn, new("Zoe"))]);
    let (_, after) = ask(&[give(&before, &turn, with_what_is_similar("Zoe"))]);
    let theirs = same_person(&turn);
    assert!(theirs.len() > 5, "{theirs:?}");
    let zoe = BTreeSet::from(["Zoe".to_owned()]);
    assert_eq!(
        theirs.iter().filter(|it| during(&alone, it) == zoe).count(),
        1,
        "without it the turn goes alone"
    );
    assert!(theirs.iter().all(|it| during(&after, it) == zoe), "{:?}", labels(&after));
    let long = |it: &&Turn| it.end_frame - it.first_frame > 100;
    for other in before
        .turns
        .iter()
        .filter(long)
        .filter(|it| !theirs.iter().any(|own| own.first_frame == it.first_frame))
    {
        assert_eq!(during(&after, other), BTreeSet::from([label(&before, other)]), "{other:?}");
    }
    // Whoever was found apart by the voice sounds the same.
    let as_three = diarize(&TALK);
    let by_voice = &as_three.speakers
        [as_three.turns.iter().find(|it| it.first_frame == turn.first_frame).expect("is there").speaker];
    let by_hand = after.speakers.iter().find(|it| it.label == "Zoe").expect("is there");
    let alike = diarization::similarity::dot(&by_voice.embedding, &by_hand.embedding);
    assert!(alike > 0.99, "{alike}");
    let bystander = |found: &Diarization| {
        found.speakers.iter().find(|it| it.label != shared && it.label != "Zoe").expect("is there").clone()
    };
    assert_eq!(bystander(&after), bystander(&before), "who has no part in it is as before, to the last bit");
}

#[test]
fn what_goes_along_says_how_sure_that_is_and_who_comes_next_and_that_no_person_said_so() {
    let (before, shared, turn) = two_as_one();
    let (_, after) = ask(&[give(&before, &turn, with_what_is_similar("Zoe"))]);
    let told = after.choices();
    let of = |it: &Turn| {
        told[after.turns.iter().position(|turn| turn.first_frame == it.first_frame).expect("is there")]
            .expect("has matches")
    };
    assert!(of(&turn).corrected);
    for theirs in same_person(&turn).iter().filter(|it| it.first_frame != turn.first_frame) {
        let why = of(theirs);
        assert!(
            !why.corrected && why.best.confidence > 0.8 && why.best.score.is_some_and(|it| it > 0.5),
            "{why:?}"
        );
        let next = why.runner_up.expect("there are others");
        assert!(next.score.is_some_and(|it| it > -1.0) && after.speakers.len() == 3, "{why:?}");
    }
    // Who stays sounds more like themselves than like the two together.
    let stays = after.turns.iter().position(|it| label(&after, it) == shared).expect("somebody stays");
    let stood = before
        .turns
        .iter()
        .position(|it| it.first_frame == after.turns[stays].first_frame)
        .expect("is there");
    let score = |why: Option<Choice>| why.expect("has matches").best.score.expect("has a voice");
    let (now, was) = (score(told[stays]), score(before.choices()[stood]));
    assert!(now > was + 0.1, "{now} {was}");
}

#[test]
fn of_one_person_nothing_goes_along() {
    let as_three = diarize(&TALK);
    let turn = as_three.turns[3];
    let of = |to: To| asking::ask(&TALK, &[give(&as_three, &turn, to)]).1;
    assert_eq!(of(with_what_is_similar("Zoe")).turns, of(new("Zoe")).turns);
}

#[test]
fn what_a_person_gave_to_somebody_stays_theirs() {
    let (before, shared, turn) = two_as_one();
    let other =
        same_person(&turn).into_iter().find(|it| it.first_frame != turn.first_frame).expect("speaks again");
    let bystander = before.speakers.iter().find(|it| it.label != shared).expect("is there").label.clone();
    let other =
        *before.turns.iter().find(|it| it.first_frame == other.first_frame).expect("is a turn there too");
    let (_, after) = ask(&[
        give(&before, &other, To::Label(bystander.clone())),
        give(&before, &turn, with_what_is_similar("Zoe")),
    ]);
    assert_eq!(during(&after, &other), BTreeSet::from([bystander]));
    for theirs in same_person(&turn).iter().filter(|it| it.first_frame != other.first_frame) {
        assert_eq!(during(&after, theirs), BTreeSet::from(["Zoe".to_owned()]));
    }
}

#[test]
fn it_holds_however_many_are_found_later_and_a_merge_takes_it_back() {
    let (before, shared, turn) = two_as_one();
    let (made, _) = ask(&[give(&before, &turn, with_what_is_similar("Zoe"))]);
    for speakers in [1, 2, 3] {
        let found = corrected(&TALK, &found_as(speakers), &made);
        for theirs in same_person(&turn) {
            assert_eq!(during(&found, &theirs), BTreeSet::from(["Zoe".to_owned()]), "found as {speakers}");
        }
    }
    let (_, merged) = ask(&[give(&before, &turn, with_what_is_similar("Zoe")), merge("Zoe", &shared)]);
    assert_eq!((&merged.turns, labels(&merged)), (&before.turns, labels(&before)));
}

#[test]
fn four_people_under_two_labels_are_four_with_two_turns() {
    let who = |turn: usize| (turn * 7 + turn / 5) % 4;
    let blocks = support::scene::blocks(6, 16, who);
    let (by_voice, before) = (diarize(&blocks), labelled(&blocks, &found_as(2)).diarization());
    assert_eq!((by_voice.speakers.len(), before.speakers.len()), (4, 2));
    let long: Vec<Turn> =
        before.turns.iter().filter(|it| it.end_frame - it.first_frame > 100).copied().collect();
    let mut requests = Vec::new();
    for speaker in 0..2 {
        let own: Vec<&Turn> = long.iter().filter(|it| it.speaker == speaker).collect();
        let one = during(&by_voice, own[0]);
        let other = own.iter().find(|it| during(&by_voice, it) != one).expect("two people have one label");
        requests.push(give(&before, other, with_what_is_similar(&format!("Person {speaker}"))));
    }
    let after = ask_of(labelled(&blocks, &found_as(2)), &requests).1;
    for (a, b) in long.iter().flat_map(|a| long.iter().map(move |b| (a, b))) {
        let same = |found: &Diarization| during(found, a) == during(found, b);
        assert_eq!(same(&after), same(&by_voice), "{a:?} {b:?}");
    }
    assert!(
        after
            .matches
            .iter()
            .all(|it| it.choice.corrected || it.choice.best.score.is_none_or(|score| score > 0.5))
    );
}

#[test]
fn pieces_go_along_where_there_are_two_voices_and_stay_where_there_is_one() {
    let one_and_other =
        [[1.0, 0.0], [0.8, 0.6], [0.8, -0.6], [-0.6, 0.8], [-0.6, -0.8], [-1.0, 0.0], [-0.8, 0.6]];
    let goes = |vectors: &[[f32; 2]], moved: &[bool], rule| {
        let pieces: Vec<Voice> = vectors.iter().map(|it| Voice::of_piece(it, 1.0)).collect();
        part(&pieces, moved, rule).map(|it| it.goes)
    };
    let first = [true, false, false, false, false, false, false];
    let theirs = [true, true, true, false, false, false, false];
    assert_eq!(goes(&one_and_other, &first, Rule::default()).as_deref(), Some(&theirs[..]));
    let all_but_sure = Rule { margin: 1.9, ..Rule::default() };
    assert_eq!(goes(&one_and_other, &first, all_but_sure).as_deref(), Some(&first[..]));
    let one = [[1.0, 0.0], [0.96, 0.28], [0.96, -0.28], [0.8, 0.6], [0.8, -0.6], [0.6, 0.8], [0.6, -0.8]];
    assert_eq!(goes(&one, &first, Rule::default()), None, "they are one voice");
    assert_eq!(goes(&one_and_other, &[false; 7], Rule::default()), None, "nothing was moved");
    assert_eq!(goes(&one_and_other, &[true; 7], Rule::default()), None, "nothing is left");
    assert_eq!(goes(&[], &[], Rule::default()), None);
}
