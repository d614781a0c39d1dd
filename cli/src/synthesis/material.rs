//! Material: what single speakers said, cut at their pauses.

use anyhow::{Context, bail};
use diarization::audio;
use std::path::Path;

/// Samples of a frame in which loudness is measured (10 ms).
const FRAME: usize = 160;
/// Quieter than a speaker's loud frames by this much is a pause, dB.
const PAUSE_DB: f32 = 32.0;
/// Pauses shorter than this are part of the speech, frames.
const SHORT_PAUSE: usize = 30;
/// Shorter sounds are no speech, frames.
const SHORT_SOUND: usize = 8;
/// Root mean square that all speakers are brought to.
const LEVEL: f32 = 0.06;

/// One speaker's speech without its pauses.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// Name: that of the folder.
    pub name: String,
    /// Stretches of speech, 16 kHz mono.
    pub stretches: Vec<Vec<f32>>,
}

impl Speaker {
    /// Seconds of speech.
    pub fn seconds(&self) -> f64 {
        self.stretches.iter().map(Vec::len).sum::<usize>() as f64 / 16_000.0
    }
}

/// Reads a folder with one folder of audio files per speaker; speakers by name.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Speaker>> {
    let list = |folder: &Path| -> anyhow::Result<Vec<std::path::PathBuf>> {
        let entries =
            std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths: Vec<_> = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
        paths.sort();
        Ok(paths)
    };
    let mut speakers = Vec::new();
    for folder in list(folder)?.into_iter().filter(|path| path.is_dir()) {
        let mut stretches = Vec::new();
        for file in list(&folder)? {
            stretches.extend(cut(&samples(&file)?));
        }
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if !stretches.is_empty() {
            speakers.push(Speaker { name, stretches });
        }
    }
    if speakers.is_empty() {
        bail!("{} holds no folder with audio files of one speaker", folder.display());
    }
    Ok(speakers)
}

fn samples(file: &Path) -> anyhow::Result<Vec<f32>> {
    let mut stream = audio::open(file).with_context(|| file.display().to_string())?;
    let mut all = Vec::new();
    while let Some(samples) = stream.next_samples().with_context(|| file.display().to_string())? {
        all.extend(samples);
    }
    Ok(all)
}

/// The stretches of speech in `samples`, brought to one level.
pub fn cut(samples: &[f32]) -> Vec<Vec<f32>> {
    let decibels: Vec<f32> = samples
        .chunks(FRAME)
        .map(|frame| 10.0 * (frame.iter().map(|x| x * x).sum::<f32>() / frame.len() as f32 + 1e-10).log10())
        .collect();
    let mut sorted = decibels.clone();
    sorted.sort_by(f32::total_cmp);
    let Some(&loud) = sorted.get(sorted.len() * 95 / 100) else { return Vec::new() };
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (frame, _) in decibels.iter().enumerate().filter(|(_, db)| **db > loud - PAUSE_DB) {
        match runs.last_mut() {
            Some((_, end)) if frame - *end < SHORT_PAUSE => *end = frame + 1,
            _ => runs.push((frame, frame + 1)),
        }
    }
    runs.retain(|(from, to)| to - from >= SHORT_SOUND);
    let runs: Vec<&[f32]> =
        runs.iter().map(|(from, to)| &samples[from * FRAME..(to * FRAME).min(samples.len())]).collect();
    let (energy, count) = runs.iter().fold((0.0_f32, 0_usize), |(sum, n), run| {
        (sum + run.iter().map(|x| x * x).sum::<f32>(), n + run.len())
    });
    let gain = LEVEL / (energy / count.max(1) as f32).sqrt().max(1e-6);
    runs.into_iter().map(|run| run.iter().map(|x| x * gain).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_cut_at_its_pauses_and_brought_to_one_level() {
        let tone = |seconds: f32| (0..(seconds * 16_000.0) as usize).map(|i| 0.5 * (i as f32 * 0.3).sin());
        let pause = |seconds: f32| std::iter::repeat_n(0.0_f32, (seconds * 16_000.0) as usize);
        let said: Vec<f32> =
            tone(1.0).chain(pause(0.5)).chain(tone(0.7)).chain(pause(0.1)).chain(tone(0.2)).collect();
        let stretches = cut(&said);
        let seconds: Vec<f32> = stretches.iter().map(|s| (s.len() as f32 / 1600.0).round() / 10.0).collect();
        assert_eq!(seconds, [1.0, 1.0]);
        let power = stretches[0].iter().map(|x| x * x).sum::<f32>() / stretches[0].len() as f32;
        assert!((power.sqrt() - LEVEL).abs() < 0.005, "{power}");
        assert!(cut(&[]).is_empty());
    }
}
