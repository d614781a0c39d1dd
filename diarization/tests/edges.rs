//! Recordings that are hard to tell: very short, with a crowd in them, two people at once, music and noise.

mod support {
    pub mod analyses;
    pub mod audio;
    pub mod conversation;
    pub mod models;
}

use diarization::blocks::{BLOCK_SAMPLES, SAMPLE_RATE};
use diarization::diarize::Settings;
use diarization::timeline::Turn;
use support::conversation::{
    ADAM, BETH, CARL, Conversation, Voice, diarize, interview, labels, provisional_turns, shared_seconds,
};

/// Nine more, each with the two halves of one utterance.
const CROWD: [Voice; 9] = [
    Voice { folder: "ls-1926", utterances: &["1926-143879-0000_a.opus", "1926-143879-0000_b.opus"] },
    Voice { folder: "ls-2691", utterances: &["2691-156745-0000_a.opus", "2691-156745-0000_b.opus"] },
    Voice { folder: "ls-103", utterances: &["103-1240-0000_a.opus", "103-1240-0000_b.opus"] },
    Voice { folder: "ls-3723", utterances: &["3723-171115-0000_a.opus", "3723-171115-0000_b.opus"] },
    Voice { folder: "ls-6209", utterances: &["6209-34599-0000_a.opus", "6209-34599-0000_b.opus"] },
    Voice { folder: "ls-7078", utterances: &["7078-271888-0000_a.opus", "7078-271888-0000_b.opus"] },
    Voice { folder: "ls-2843", utterances: &["2843-152918-0000_a.opus", "2843-152918-0000_b.opus"] },
    Voice { folder: "ls-1723", utterances: &["1723-141149-0000_a.opus", "1723-141149-0000_b.opus"] },
    Voice { folder: "ls-6078", utterances: &["6078-54007-0000_a.opus", "6078-54007-0000_b.opus"] },
];

/// White noise, the same every time, as loud as speech in the distance.
fn noise(seconds: f64) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5) * 0.1
    };
    (0..(seconds * f64::from(SAMPLE_RATE)) as usize).map(|_| next()).collect()
}

/// Chords that are struck twice a second, with six overtones each.
fn music(seconds: f64) -> Vec<f32> {
    const CHORDS: [[f64; 3]; 4] =
        [[261.6, 329.6, 392.0], [220.0, 261.6, 329.6], [174.6, 220.0, 261.6], [196.0, 246.9, 293.7]];
    let at = |sample: usize| {
        let t = sample as f64 / f64::from(SAMPLE_RATE);
        let (beat, since) = ((t * 2.0) as usize, t % 0.5);
        let tones =
            CHORDS[beat / 2 % 4].iter().flat_map(|&pitch| (1..=6).map(move |n| (pitch, f64::from(n))));
        let sum: f64 = tones.map(|(pitch, n)| (std::f64::consts::TAU * pitch * n * t).sin() / n).sum();
        (sum * (-4.0 * since).exp() * 0.05) as f32
    };
    (0..(seconds * f64::from(SAMPLE_RATE)) as usize).map(at).collect()
}

/// Lets `voice` begin this long before the end of what was said last.
fn interrupted(mut talk: Conversation, voice: Voice, utterance: usize, seconds: f64) -> Conversation {
    let start = talk.said.last().map_or(0.0, |said| said.1.end) - seconds;
    let (from, own) = ((start * f64::from(SAMPLE_RATE)) as usize, voice.samples(utterance));
    let end = from + own.len();
    talk.samples.resize(end.max(talk.samples.len()), 0.0);
    talk.samples[from..end].iter_mut().zip(&own).for_each(|(mixed, own)| *mixed += own);
    talk.said.push((voice.folder, start..end as f64 / f64::from(SAMPLE_RATE)));
    talk.pause(0.5)
}

#[test]
fn a_file_of_five_seconds_with_one_voice_has_one_speaker() {
    for (voice, utterance) in [(ADAM, 3), (BETH, 3), (CARL, 0)] {
        let mut conversation = Conversation::default().says(voice, utterance);
        conversation.samples.truncate(5 * SAMPLE_RATE as usize);
        let found = diarize(&conversation.analyse(), interview());
        assert_eq!(labels(&found), ["Interviewer"], "{voice:?}");
    }
}

#[test]
fn music_and_noise_without_speech_have_no_speaker() {
    for samples in [noise(40.0), music(40.0)] {
        let conversation = Conversation { samples, ..Conversation::default() };
        let blocks = conversation.analyse();
        let found = diarize(&blocks, Settings::default());
        let seconds: f64 = found.turns.iter().map(|turn| turn.end_seconds() - turn.start_seconds()).sum();
        assert!(seconds < 1.0, "{seconds:.1} s are heard in what nobody says");
    }
}

#[test]
fn music_before_and_after_a_talk_and_noise_under_it_are_nobody() {
    let mut conversation = Conversation { samples: music(15.0), ..Conversation::default() };
    for utterance in 0..4 {
        conversation = conversation.says(ADAM, utterance).says(BETH, utterance);
    }
    conversation.samples.extend(music(15.0));
    let hum = noise(conversation.seconds());
    conversation.samples.iter_mut().zip(hum).for_each(|(sample, noise)| *sample += noise * 0.1);
    let found = diarize(&conversation.analyse(), interview());
    assert_eq!(labels(&found), ["Interviewer", "Respondent"]);
    conversation.assert_each_voice_has_one_speaker(&found.turns);
}

#[test]
fn where_two_speak_at_once_both_are_heard() {
    let mut conversation = Conversation::default();
    for utterance in 0..4 {
        conversation = interrupted(conversation.says(ADAM, utterance), BETH, utterance, 2.0);
    }
    let found = diarize(&conversation.analyse(), interview());
    assert_eq!(labels(&found), ["Interviewer", "Respondent"]);
    let overlaps = conversation.said.chunks(2).map(|pair| pair[1].1.start..pair[0].1.end);
    let (mut both, mut all) = (0.0, 0.0);
    for overlap in overlaps {
        let heard = |speaker: usize| -> f64 {
            let own = found.turns.iter().filter(|turn| turn.speaker == speaker);
            own.map(|turn| shared_seconds(turn, &overlap)).sum()
        };
        both += heard(0).min(heard(1));
        all += overlap.end - overlap.start;
    }
    assert!(both > 0.6 * all, "both are heard for {both:.1} of {all:.1} s");
}

#[test]
fn twelve_people_are_told_apart() {
    let people = [ADAM, BETH, CARL].into_iter().chain(CROWD);
    let both = [0, 1].into_iter().flat_map(|utterance| people.clone().map(move |voice| (voice, utterance)));
    let conversation =
        both.fold(Conversation::default(), |talk, (voice, utterance)| talk.says(voice, utterance));
    let found = diarize(&conversation.analyse(), Settings::default());
    assert_eq!(found.speakers.len(), 12);
    conversation.assert_each_voice_has_one_speaker(&found.turns);
}

#[test]
fn who_speaks_across_the_border_of_two_blocks_is_one_speaker_in_one_turn() {
    let border = BLOCK_SAMPLES as f64 / f64::from(SAMPLE_RATE);
    let mut conversation = Conversation::default();
    for utterance in 0..3 {
        conversation = conversation.says(ADAM, utterance).says(BETH, utterance);
    }
    let pause = border - 2.5 - conversation.seconds();
    let conversation = conversation.pause(pause).says(BETH, 3).says(ADAM, 4);
    assert!(conversation.said[6].1.start < border - 2.0 && conversation.said[6].1.end > border + 2.0);
    let blocks = conversation.analyse();
    let across = |turns: &[Turn]| {
        let here = turns.iter().filter(|turn| turn.start_seconds() < border && turn.end_seconds() > border);
        here.map(|turn| turn.speaker).collect::<Vec<_>>()
    };
    let found = diarize(&blocks, interview());
    assert_eq!(across(&found.turns), [1], "{:?}", found.turns);
    conversation.assert_each_voice_has_one_speaker(&found.turns);
    let shown = provisional_turns(&blocks, Default::default());
    assert_eq!(conversation.heard(&shown), conversation.heard(&found.turns));
}
