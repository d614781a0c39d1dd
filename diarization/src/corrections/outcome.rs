//! Outcome: who spoke when, as corrected.

use super::corrected::Corrected;
use crate::diarize::{Diarization, Speaker};
use crate::evidence::{Choice, Match};
use crate::similarity::dot;
use crate::timeline::{self, Turn};
use crate::voice::{Cluster, Voice};
use crate::voices::Voices;
use std::collections::BTreeMap;

impl Corrected {
    /// The turns, by the numbers that speakers have here.
    pub(super) fn turns(&self) -> Vec<Turn> {
        let runs = self.runs.runs.iter().enumerate();
        let turns = runs.filter_map(|(number, run)| {
            let speaker = self.speaker_of(number)?;
            let (first_frame, end_frame) = (run.first_frame as usize, run.end_frame as usize);
            Some((Turn { first_frame, end_frame, speaker }, self.begins.contains(&number)))
        });
        timeline::audible(timeline::joined_but(turns.collect()))
    }

    /// Result as corrected: who spoke when. A speaker whose speech is as it was decided is so to the last bit.
    pub fn diarization(&self) -> Diarization {
        let speakers = self.speakers();
        let rank: BTreeMap<usize, usize> =
            speakers.iter().enumerate().map(|(index, (speaker, _))| (*speaker, index)).collect();
        let voices = self.voices();
        let mut turns = self.turns();
        turns.iter_mut().for_each(|turn| turn.speaker = rank[&turn.speaker]);
        // By speaker and then by start they were joined; by start and then by their new numbers they are shown.
        turns.sort_unstable();
        let speaker = |(index, (speaker, label)): (usize, &(usize, String))| {
            let embedding = voices.get(speaker).cloned().unwrap_or_default();
            let speech_seconds = timeline::seconds_of(&turns, index);
            Speaker { label: label.clone(), embedding, speech_seconds }
        };
        let speakers = speakers.iter().enumerate().map(speaker).collect();
        Diarization { speakers, matches: self.matches(&rank, &voices), turns }
    }

    /// Vector of each speaker: those decided on, and of whoever was changed the mean of what is theirs.
    fn voices(&self) -> BTreeMap<usize, Vec<f32>> {
        let decided = &self.labelled.cast;
        let mut all: BTreeMap<usize, Vec<f32>> =
            (0..decided.len()).map(|voice| (voice, decided.embedding(voice).to_vec())).collect();
        let mut pieces: Vec<Voice> = Vec::new();
        let mut clusters: BTreeMap<usize, Cluster> =
            self.changed.iter().map(|speaker| (*speaker, Cluster::new())).collect();
        for (run, it) in self.runs.runs.iter().enumerate() {
            // A piece counts once, for the speaker of its longest run.
            let all = self.runs_of_piece(run);
            let longest = all.clone().max_by_key(|&run| (self.runs.frames(run), std::cmp::Reverse(run)));
            let Some(embedding) = self.pieces[it.piece as usize].embedding.as_deref() else { continue };
            let cluster = self.speaker_of(run).and_then(|speaker| clusters.get_mut(&speaker));
            if let Some(cluster) = cluster.filter(|_| longest == Some(run)) {
                cluster.push(pieces.len());
                let place = &self.labelled.places[it.piece as usize];
                pieces.push(Voice::of_piece(embedding, place.weight()));
            }
        }
        let members: Vec<Cluster> = clusters.values().cloned().collect();
        let anew = Voices::of(&pieces, &members);
        all.extend(clusters.keys().copied().zip(anew.embeddings().iter().cloned()));
        all
    }

    /// Speaker that each piece is given to. A piece of which a person moved a part is as many matches as it has parts.
    fn matches(&self, rank: &BTreeMap<usize, usize>, voices: &BTreeMap<usize, Vec<f32>>) -> Vec<Match> {
        let by_person = |piece: usize, speaker: usize| {
            let voice = voices.get(&speaker).filter(|it| !it.is_empty());
            let embedding = self.pieces.get(piece).and_then(|it| it.embedding.as_ref());
            let score = embedding.zip(voice).map(|(embedding, voice)| dot(embedding, voice));
            Choice::of_person(speaker, score)
        };
        let choice_of = |run: usize| {
            let piece = self.runs.runs[run].piece as usize;
            match self.fixed.get(&run) {
                Some(said) => said.map(|speaker| by_person(piece, speaker)),
                None => self.choices[piece],
            }
        };
        let named =
            |choice: Option<Choice>| choice.and_then(|it| it.named(|speaker| rank.get(&speaker).copied()));
        let mut matches = Vec::with_capacity(self.choices.len());
        let mut runs = 0..self.runs.runs.len();
        for (piece, place) in self.labelled.places.iter().enumerate() {
            let of_piece =
                runs.clone().take_while(|&run| self.runs.runs[run].piece as usize == piece).count();
            let own = runs.start..runs.start + of_piece;
            runs.start = own.end;
            if own.clone().all(|run| !self.fixed.contains_key(&run)) {
                matches.extend(named(self.choices[piece]).map(|choice| place.matched(choice)));
                continue;
            }
            let own: Vec<usize> = own.collect();
            let parts: Vec<&[usize]> = own.chunk_by(|a, b| self.fixed.get(a) == self.fixed.get(b)).collect();
            let whole = place.matched(by_person(piece, 0));
            for (at, part) in parts.iter().enumerate() {
                let begin = |part: &[usize]| self.runs.runs[part[0]].first_frame as usize;
                let first_frame = if at == 0 { whole.first_frame } else { begin(part) };
                let end_frame = parts.get(at + 1).map_or(whole.end_frame, |next| begin(next));
                let choice = named(choice_of(part[0]));
                matches.extend(choice.map(|choice| Match {
                    first_frame,
                    end_frame,
                    slot: place.slot,
                    choice,
                }));
            }
        }
        matches.sort_by_key(|it| (it.first_frame, it.slot));
        matches
    }
}
