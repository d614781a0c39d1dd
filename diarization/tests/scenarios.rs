//! Conversations of real voices whose truth is known, from samples to labels.

mod support {
    pub mod analyses;
    pub mod audio;
    pub mod conversation;
    pub mod models;
}

use diarization::analysis::BlockAnalysis;
use diarization::blocks::{BLOCK_SAMPLES, SAMPLE_RATE};
use diarization::diarize::{Diarization, Settings};
use diarization::hints::Hints;
use diarization::installation;
use diarization::manifest::Manifest;
use diarization::similarity::Threshold;
use diarization::timeline::Turn;
use std::sync::LazyLock;
use support::conversation::{
    ADAM, BETH, CARL, Conversation, diarize, interview, labels, provisional_turns, shared_seconds,
};

/// Two voices in turn, about 45 s.
static TWO_VOICES: LazyLock<Analysed> = LazyLock::new(|| Analysed::new(two_voices()));

/// The same two, and a third who comes in after more than a minute.
static THREE_VOICES: LazyLock<Analysed> = LazyLock::new(|| {
    Analysed::new(
        two_voices()
            .says(BETH, 3)
            .says(ADAM, 4)
            .says(BETH, 4)
            .says(CARL, 0)
            .says(ADAM, 5)
            .says(CARL, 1)
            .says(BETH, 5)
            .says(CARL, 2)
            .says(ADAM, 6),
    )
});

/// Beth asks, then is silent for more than a block while Adam goes on, then speaks again, in other words.
static LONG_ABSENCE: LazyLock<Analysed> = LazyLock::new(|| {
    let opening = Conversation::default().says(BETH, 0).says(ADAM, 0).says(BETH, 1).says(ADAM, 1);
    let monologue = [2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 0, 1, 2];
    let alone = monologue.into_iter().fold(opening, |talk, utterance| talk.says(ADAM, utterance));
    Analysed::new(alone.says(BETH, 2).says(ADAM, 6).says(BETH, 3))
});

fn two_voices() -> Conversation {
    Conversation::default()
        .says(ADAM, 0)
        .says(BETH, 0)
        .says(ADAM, 1)
        .says(BETH, 1)
        .says(ADAM, 2)
        .says(BETH, 2)
        .says(ADAM, 3)
}

/// A conversation with its analysis.
struct Analysed {
    conversation: Conversation,
    blocks: Vec<BlockAnalysis>,
}

impl Analysed {
    fn new(conversation: Conversation) -> Self {
        Self { blocks: conversation.analyse(), conversation }
    }
}

fn with_hints(exact: Option<usize>, min: Option<usize>, max: Option<usize>) -> Settings {
    let hints = Hints::new(exact, min, max, Threshold::default()).expect("the hints fit together");
    Settings { hints, ..Settings::default() }
}

#[test]
fn two_voices_are_interviewer_and_respondent_in_the_order_in_which_they_speak() {
    let Analysed { conversation, blocks } = &*TWO_VOICES;
    let found = diarize(blocks, interview());
    assert_eq!(labels(&found), ["Interviewer", "Respondent"]);
    assert_eq!(conversation.heard(&found.turns), [0, 1, 0, 1, 0, 1, 0]);
}

#[test]
fn a_third_voice_that_joins_late_is_the_second_respondent_and_the_others_keep_their_labels() {
    let Analysed { conversation, blocks } = &*THREE_VOICES;
    assert!(conversation.said[10].1.start * f64::from(SAMPLE_RATE) > BLOCK_SAMPLES as f64, "Carl comes late");
    let found = diarize(blocks, interview());
    assert_eq!(labels(&found), ["Interviewer", "Respondent", "Respondent2"]);
    let expected = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2, 0, 2, 1, 2, 0];
    assert_eq!(conversation.heard(&found.turns), expected);
    let shown = provisional_turns(blocks, Hints::default());
    assert_eq!(conversation.heard(&shown), expected, "as shown while it came in");
}

#[test]
fn a_speaker_who_was_silent_for_more_than_a_chunk_comes_back_under_the_same_label() {
    let Analysed { conversation, blocks } = &*LONG_ABSENCE;
    let (left, back) = (conversation.said[2].1.end, conversation.said[25].1.start);
    let chunk = BLOCK_SAMPLES as f64 / f64::from(SAMPLE_RATE);
    assert!((left / chunk).ceil() < (back / chunk).floor(), "Beth is away for a whole chunk");
    let found = diarize(blocks, interview());
    assert_eq!(labels(&found), ["Interviewer", "Respondent"]);
    conversation.assert_each_voice_has_one_speaker(&found.turns);
    assert_eq!(conversation.heard(&found.turns)[25], 0, "Beth is the interviewer still");
    let shown = provisional_turns(blocks, Hints::default());
    conversation.assert_each_voice_has_one_speaker(&shown);
    assert_eq!(conversation.heard(&shown), conversation.heard(&found.turns), "labels already shown hold");
}

#[test]
fn a_minute_of_digital_silence_in_between_disturbs_nothing() {
    let halves = |between: f64| {
        Conversation::default()
            .says(ADAM, 0)
            .says(BETH, 0)
            .says(ADAM, 1)
            .pause(between)
            .says(BETH, 1)
            .says(ADAM, 2)
            .says(BETH, 2)
    };
    let conversation = halves(60.0);
    let found = diarize(&conversation.analyse(), interview());
    assert_eq!(labels(&found), ["Interviewer", "Respondent"]);
    assert_eq!(conversation.heard(&found.turns), [0, 1, 0, 1, 0, 1]);
    let silence = conversation.said[2].1.end + 0.5..conversation.said[3].1.start - 0.5;
    let inside: Vec<&Turn> = found.turns.iter().filter(|turn| shared_seconds(turn, &silence) > 0.0).collect();
    assert!(silence.end - silence.start > 59.0 && inside.is_empty(), "in {silence:?}: {inside:?}");
}

#[test]
fn one_voice_alone_is_one_speaker() {
    for voice in [ADAM, BETH, CARL] {
        let conversation =
            Conversation::default().says(voice, 0).says(voice, 1).says(voice, 2).says(voice, 3);
        let found = diarize(&conversation.analyse(), interview());
        assert_eq!(labels(&found), ["Interviewer"], "{voice:?}");
        assert_eq!(conversation.heard(&found.turns), [0; 4], "{voice:?}");
    }
}

#[test]
fn digital_silence_has_no_speaker_whatever_the_hints() {
    let blocks = Conversation::default().pause(70.0).analyse();
    assert_eq!(blocks.len(), 2);
    for settings in [Settings::default(), with_hints(Some(2), None, None), with_hints(None, Some(3), None)] {
        assert_eq!(diarize(&blocks, settings.clone()), Diarization::default(), "{settings:?}");
        assert!(provisional_turns(&blocks, settings.hints).is_empty(), "{settings:?}");
    }
}

#[test]
fn an_exact_number_of_speakers_is_obeyed() {
    for (Analysed { conversation, blocks }, truth) in [(&*TWO_VOICES, 2), (&*THREE_VOICES, 3)] {
        for number in 1..=5 {
            let found = diarize(blocks, with_hints(Some(number), None, None));
            assert_eq!(found.speakers.len(), number, "{truth} voices");
            for index in 0..number {
                assert!(
                    found.turns.iter().any(|turn| turn.speaker == index),
                    "speaker {index} of {number} is mute"
                );
            }
            if number == truth {
                conversation.assert_each_voice_has_one_speaker(&found.turns);
            }
        }
    }
}

#[test]
fn fewest_and_most_speakers_are_obeyed_and_disturb_nothing_where_they_hold_anyway() {
    let blocks = &THREE_VOICES.blocks;
    let plain = diarize(blocks, Settings::default());
    let count = |min, max| diarize(blocks, with_hints(None, min, max)).speakers.len();
    assert_eq!(plain.speakers.len(), 3);
    assert_eq!(count(None, Some(2)), 2);
    assert_eq!(count(Some(4), None), 4);
    assert_eq!(count(Some(1), Some(1)), 1);
    assert_eq!(diarize(blocks, with_hints(None, Some(2), Some(5))), plain);
    assert_eq!(diarize(blocks, with_hints(Some(3), None, None)), plain);
}

#[test]
fn no_more_speakers_are_shown_while_a_recording_comes_in_than_the_caller_allows() {
    let blocks = &THREE_VOICES.blocks;
    for most in 1..=3 {
        let turns = provisional_turns(blocks, with_hints(None, None, Some(most)).hints);
        assert_eq!(turns.iter().map(|turn| turn.speaker + 1).max(), Some(most));
    }
}

#[test]
fn one_short_utterance_cannot_be_three_speakers() {
    let conversation = Conversation::default().says(BETH, 5);
    let blocks = conversation.analyse();
    let pieces: usize = blocks.iter().map(|block| block.pieces.len()).sum();
    assert!((1..3).contains(&pieces), "{pieces} pieces");
    let found = diarize(&blocks, with_hints(Some(3), None, None));
    assert!((1..=pieces).contains(&found.speakers.len()), "{:?}", labels(&found));
}

#[test]
fn a_higher_threshold_never_finds_fewer_speakers() {
    for Analysed { blocks, .. } in [&*TWO_VOICES, &*THREE_VOICES, &*LONG_ABSENCE] {
        let count = |probability: f64| {
            let threshold = Threshold::try_from(probability).expect("a probability");
            let hints = Hints { threshold, ..Hints::default() };
            diarize(blocks, Settings { hints, ..Settings::default() }).speakers.len()
        };
        let counts = [0.01, 0.2, 0.45, 0.75, 0.9, 0.99].map(count);
        assert!(counts.is_sorted(), "{counts:?}");
        assert!(counts[0] < counts[5], "{counts:?}");
    }
}

#[test]
fn the_callers_names_are_used_in_the_order_of_speaking_and_run_out_into_numbers() {
    let labels_of = |scheme: &str| {
        let labels = scheme.parse().expect("a scheme");
        Settings { labels, ..Settings::default() }
    };
    let blocks = &THREE_VOICES.blocks;
    assert_eq!(labels(&diarize(blocks, labels_of("Adam,Beth,Carl,Dora"))), ["Adam", "Beth", "Carl"]);
    assert_eq!(labels(&diarize(blocks, labels_of("Adam,Beth"))), ["Adam", "Beth", "SPEAKER_02"]);
    assert_eq!(labels(&diarize(blocks, labels_of("numbered"))), ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]);
}

#[test]
fn every_speaker_has_a_voice_of_length_one_and_the_seconds_of_their_turns() {
    let found = diarize(&THREE_VOICES.blocks, Settings::default());
    let dimension = Manifest::read(&installation::models()).expect("the models are there").dimension();
    for (index, speaker) in found.speakers.iter().enumerate() {
        let length: f64 = speaker.embedding.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        assert_eq!(speaker.embedding.len(), dimension);
        assert!((length - 1.0).abs() < 1e-5, "{}: squared length {length}", speaker.label);
        let own = found.turns.iter().filter(|turn| turn.speaker == index);
        let seconds: f64 = own.map(|turn| turn.end_seconds() - turn.start_seconds()).sum();
        assert!((seconds - speaker.speech_seconds).abs() < 1e-6, "{}: {seconds} s", speaker.label);
    }
}
