//! Summary: recordings pooled by group, and the groups' mean.
//!
//! Groups are pooled (errors summed over speech summed); the headline is the mean of the groups, so that no group of short clips and no
//! single long recording rules it.

use crate::bench::figures::Figures;
use crate::bench::marks::Marks;
use crate::bench::sources::Source;
use diarization::scoring::{self, Continuity, Judged, Reliability};
use serde::Serialize;
use std::collections::BTreeMap;

/// Results of one recording.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Name.
    pub recording: String,
    /// Group.
    pub group: String,
    /// Source of the recording.
    #[serde(serialize_with = "as_text")]
    pub source: Source,
    /// Kind of recording; empty where no list names one.
    pub kind: String,
    /// Length in seconds.
    pub audio_seconds: f64,
    /// Time from the file to both results; `None` where the models did not run.
    pub seconds: Option<f64>,
    /// The result over the whole, or the one read from files.
    pub last: Marks,
    /// Reliability of the confidences of that result; `None` where results were read.
    pub reliability: Option<Reliability>,
    /// Its turns with their confidences, against the reference; `None` where results were read.
    #[serde(skip)]
    pub judged: Option<Vec<Judged>>,
    /// Time that all took past the models; `None` where results were read.
    pub matching_seconds: Option<f64>,
    /// The result as shown in order; `None` where results were read.
    pub in_order: Option<Marks>,
    /// Reliability of the confidences of the result in order; `None` where results were read.
    pub in_order_reliability: Option<Reliability>,
    /// Figures of the same where the true number of speakers is given; `None` where results were read.
    pub count_given: Option<Figures>,
    /// Figures of each setting of the grid; empty where nothing is chosen.
    #[serde(skip)]
    pub points: Vec<Figures>,
    /// Peers', in the order in which they were given.
    pub peers: Vec<Peer>,
}

/// A peer's result of one recording.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Name of the peer.
    pub name: String,
    /// `None` where it has none.
    pub marks: Option<Marks>,
}

impl Measured {
    /// Of the peer that was named first.
    fn peer(&self) -> Option<&Marks> {
        self.peers.first().and_then(|peer| peer.marks.as_ref())
    }
}

/// One result of some recordings. Rates are shares of reference speech, 0 to 1 and more.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Row {
    /// Diarization error rate.
    pub der: f64,
    /// Missed speech.
    pub miss: f64,
    /// False alarm.
    pub false_alarm: f64,
    /// Confused speech.
    pub confusion: f64,
    /// Diarization error rate with a collar of 0.25 s on each side.
    pub der_forgiving: f64,
    /// Jaccard error rate.
    pub jer: f64,
    /// Recordings.
    pub recordings: usize,
    /// Of these, with as many speakers as there are.
    pub count_exact: usize,
    /// Continuity of labels from chunk to chunk.
    pub continuity: Continuity,
}

impl Row {
    /// Pools.
    fn of<'a>(marks: impl Iterator<Item = &'a Marks> + Clone) -> Self {
        let exact = scoring::pool(marks.clone().map(|m| &m.exact));
        let forgiving = scoring::pool(marks.clone().map(|m| &m.forgiving));
        let mut continuity = Continuity::default();
        marks.for_each(|m| continuity.add(&m.continuity));
        Self {
            der: exact.der(),
            miss: exact.miss(),
            false_alarm: exact.false_alarm(),
            confusion: exact.confusion(),
            der_forgiving: forgiving.der(),
            jer: exact.jer,
            recordings: exact.recordings,
            count_exact: exact.count_exact,
            continuity,
        }
    }

    /// The mean of the rates of `rows`; what is counted is added up.
    fn mean(rows: &[Self]) -> Self {
        let mean = |rate: fn(&Self) -> f64| rows.iter().map(rate).sum::<f64>() / rows.len().max(1) as f64;
        let mut continuity = Continuity::default();
        rows.iter().for_each(|row| continuity.add(&row.continuity));
        Self {
            der: mean(|r| r.der),
            miss: mean(|r| r.miss),
            false_alarm: mean(|r| r.false_alarm),
            confusion: mean(|r| r.confusion),
            der_forgiving: mean(|r| r.der_forgiving),
            jer: mean(|r| r.jer),
            recordings: rows.iter().map(|r| r.recordings).sum(),
            count_exact: rows.iter().map(|r| r.count_exact).sum(),
            continuity,
        }
    }
}

/// The results of a group, or of all.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Its name; of the last one `headline`.
    pub group: String,
    /// Seconds of audio.
    pub audio_seconds: f64,
    /// Time from the files to the results; `None` unless the models ran on all of them.
    pub seconds: Option<f64>,
    /// Over the whole.
    pub last: Row,
    /// Reliability of the confidences of that result.
    pub reliability: Option<Reliability>,
    /// As shown in order.
    pub in_order: Option<Row>,
    /// Reliability of the confidences of the result in order.
    pub in_order_reliability: Option<Reliability>,
    /// Of the peer that was named first, over the recordings of which it has a result.
    pub peer: Option<Row>,
}

/// The groups by name, then the headline.
pub fn summary(measured: &[Measured]) -> Vec<Group> {
    let mut by_name: BTreeMap<&str, Vec<&Measured>> = BTreeMap::new();
    for one in measured {
        by_name.entry(&one.group).or_default().push(one);
    }
    let mut groups: Vec<Group> = by_name.iter().map(|(name, members)| group(name, members)).collect();
    let rows = |row: fn(&Group) -> Option<Row>| -> Option<Row> {
        let rows: Option<Vec<Row>> = groups.iter().map(row).collect();
        rows.map(|rows| Row::mean(&rows))
    };
    let headline = Group {
        group: "headline".into(),
        audio_seconds: groups.iter().map(|g| g.audio_seconds).sum(),
        seconds: groups.iter().map(|g| g.seconds).sum(),
        last: rows(|g| Some(g.last)).unwrap_or_default(),
        reliability: reliability(measured.iter().map(|one| one.reliability)),
        in_order: rows(|g| g.in_order),
        in_order_reliability: reliability(measured.iter().map(|one| one.in_order_reliability)),
        peer: rows(|g| g.peer),
    };
    groups.push(headline);
    groups
}

fn as_text<S: serde::Serializer>(source: &Source, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(source)
}

/// All together; `None` where there is none of one.
pub fn reliability(mut members: impl Iterator<Item = Option<Reliability>>) -> Option<Reliability> {
    members.try_fold(Reliability::default(), |mut all, one| {
        all.add(&one?);
        Some(all)
    })
}

fn group(name: &str, members: &[&Measured]) -> Group {
    let pooled = |marks: fn(&Measured) -> Option<&Marks>| {
        let found: Vec<&Marks> = members.iter().filter_map(|m| marks(m)).collect();
        (!found.is_empty()).then(|| Row::of(found.iter().copied()))
    };
    Group {
        group: name.to_owned(),
        audio_seconds: members.iter().map(|m| m.audio_seconds).sum(),
        seconds: members.iter().map(|m| m.seconds).sum(),
        last: pooled(|m| Some(&m.last)).unwrap_or_default(),
        reliability: reliability(members.iter().map(|one| one.reliability)),
        in_order: pooled(|m| m.in_order.as_ref()),
        in_order_reliability: reliability(members.iter().map(|one| one.in_order_reliability)),
        peer: pooled(|m| m.peer()),
    }
}
