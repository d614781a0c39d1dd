//! Wanted: what a reprocessing is to do otherwise than the run before.

use diarization::channels::Channels;
use diarization::diarize::Settings;
use diarization::hints::{HintError, Hints};
use diarization::labels::LabelScheme;
use diarization::similarity::Threshold;
use diarization::tracks::Tracks;

/// Changes that a reprocessing makes. Of the settings, the outer `None` leaves one as it is, the inner `None` takes it back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Probability from which two voices count as the same.
    pub threshold: Option<Option<Threshold>>,
    /// Number of speakers.
    pub num_speakers: Option<Option<usize>>,
    /// Fewest speakers.
    pub min_speakers: Option<Option<usize>>,
    /// Most speakers.
    pub max_speakers: Option<Option<usize>>,
    /// Names of speakers.
    pub labels: Option<Option<LabelScheme>>,
    /// Treatment of channels.
    pub channels: Option<Option<Channels>>,
    /// Audio tracks that are heard.
    pub tracks: Option<Option<Tracks>>,
    /// True where the chunks are analysed anew although their analyses are stored.
    pub always: bool,
}

impl Wanted {
    /// `settings` with what is wanted.
    pub fn applied_to(&self, settings: Settings) -> Result<Settings, HintError> {
        let Settings { hints, labels, channels, tracks } = settings;
        let threshold = self.threshold.map_or(hints.threshold, Option::unwrap_or_default);
        // A number takes the place of a range that was given before.
        let (fewest, most) =
            if self.num_speakers.is_some() { (None, None) } else { (hints.min_speakers, hints.max_speakers) };
        let hints = Hints::new(
            self.num_speakers.flatten(),
            self.min_speakers.unwrap_or(fewest),
            self.max_speakers.unwrap_or(most),
            threshold,
        )?;
        let labels = self.labels.clone().map_or(labels, Option::unwrap_or_default);
        let channels = self.channels.map_or(channels, Option::unwrap_or_default);
        let tracks = self.tracks.map_or(tracks, Option::unwrap_or_default);
        Ok(Settings { hints, labels, channels, tracks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before() -> Settings {
        let threshold = Threshold::try_from(0.6).expect("a probability");
        Settings {
            hints: Hints::new(None, Some(2), Some(4), threshold).expect("fits"),
            labels: LabelScheme::Interview,
            channels: Channels::Separate,
            tracks: Tracks::All,
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        assert_eq!(Wanted::default().applied_to(before()), Ok(before()));
        let fewer = Wanted { max_speakers: Some(Some(3)), ..Wanted::default() };
        let hints = fewer.applied_to(before()).expect("fits").hints;
        assert_eq!((hints.min_speakers, hints.max_speakers), (Some(2), Some(3)));
    }

    #[test]
    fn a_number_takes_the_place_of_a_range_and_null_takes_a_setting_back() {
        let one = Wanted { num_speakers: Some(Some(1)), ..Wanted::default() };
        let hints = one.applied_to(before()).expect("fits").hints;
        assert_eq!((hints.min_speakers, hints.max_speakers), (Some(1), Some(1)));
        let none = Wanted {
            threshold: Some(None),
            num_speakers: Some(None),
            labels: Some(None),
            channels: Some(None),
            tracks: Some(None),
            ..Wanted::default()
        };
        assert_eq!(none.applied_to(before()), Ok(Settings::default()));
    }

    #[test]
    fn what_contradicts_what_stays_is_refused() {
        let wanted = Wanted { max_speakers: Some(Some(1)), ..Wanted::default() };
        assert!(wanted.applied_to(before()).is_err());
    }
}
