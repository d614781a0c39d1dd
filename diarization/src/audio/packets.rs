//! Reads and decodes the packets of a container, going on past damage where that is possible.

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase};

use super::container::{Container, guarded, pick};
use super::error::AudioError;
use super::placer::{Placer, Stamp, Start};
use super::source::{Block, Source, check_shape};
use super::warnings::Warnings;

/// Packets in a row that cannot be decoded or give nothing before the rest is given up: some 40 s.
const MAX_BAD_RUN: u32 = 2_000;
/// Errors of the demuxer in a row before it is given up; it cannot always find its way again.
const MAX_READER_ERRORS: u32 = 16;
/// Pieces of a chained stream; internet radio that was recorded for a day has hundreds.
const MAX_CHAIN: u32 = 10_000;
/// After leading junk this many packets must decode before it counts as audio: two bytes that look
/// like a frame turn up in any random data.
const TRIAL_GOOD: u32 = 8;
/// Packets that may fail during the trial: those that lean on frames from before the cut.
const TRIAL_BAD: u32 = 4;
/// A file shorter than promised by less than this is a matter of rounding and padding.
pub(super) const SHORT_S: f64 = 0.2;
/// A step in the time stamps smaller than this is rounding or jitter of the recorder.
const STEP_S: f64 = 0.2;
/// The same where the container counts samples.
const STEP_EXACT_S: f64 = 0.02;

/// The decoded packets of one track.
pub(super) struct PacketSource {
    container: Container,
    format: String,
    placer: Placer,
    /// Time at which the first of the other tracks begins, in s.
    others_s: Option<f64>,
    samples: Vec<f32>,
    damage: Damage,
    good: u32,
    trial: bool,
    done: bool,
    is_started: bool,
    chain: u32,
}

/// A run of packets that had to be skipped.
#[derive(Default)]
struct Damage {
    run: u32,
    reader_errors: u32,
    packets: u32,
    from_s: f64,
    skipped_last: bool,
}

impl PacketSource {
    /// `junk` says that the file does not begin with a known format, so what was found must prove itself.
    pub(super) fn new(container: Container, format: &str, junk: bool) -> Self {
        Self {
            placer: Placer::new(if container.times_exact { STEP_EXACT_S } else { STEP_S }),
            container,
            format: format.into(),
            others_s: None,
            samples: Vec::new(),
            damage: Damage::default(),
            good: 0,
            trial: junk,
            done: false,
            is_started: false,
            chain: 0,
        }
    }

    fn skipped(&mut self) {
        if self.damage.packets == 0 {
            self.damage.from_s = self.placer.given_s();
        }
        self.damage.packets += 1;
        self.damage.run += 1;
        self.damage.skipped_last = true;
    }

    fn report_damage(&mut self, warnings: &mut Warnings) {
        match std::mem::take(&mut self.damage.packets) {
            0 => {}
            1 => warnings.push(format!("1 damaged packet was skipped at about {:.1} s", self.damage.from_s)),
            n => warnings
                .push(format!("{n} damaged packets were skipped from about {:.1} s", self.damage.from_s)),
        }
    }

    /// Ends the stream, with the notes due at its end.
    fn end(&mut self, warnings: &mut Warnings, cut_off: bool) -> Result<(), AudioError> {
        self.done = true;
        if self.trial && self.good < TRIAL_GOOD {
            return Err(random_data());
        }
        self.report_damage(warnings);
        self.placer.finish(warnings);
        let read = self.placer.read_s();
        let promised = self.container.picked.duration_s.filter(|_| self.container.duration_exact);
        match promised {
            Some(promised) if read + SHORT_S < promised => warnings.push(format!(
                "the file is cut off or damaged: its header promises {promised:.1} s of audio, {read:.1} s could be read"
            )),
            _ if (cut_off || self.container.cut_off) && !self.container.open_ended => warnings.push(format!("the file ends unexpectedly after {read:.1} s; its end is missing")),
            _ => {}
        }
        Ok(())
    }

    /// The next packet of the chosen track; `None` when the stream has been ended.
    fn packet(&mut self, warnings: &mut Warnings) -> Result<Option<Packet>, AudioError> {
        loop {
            if self.container.watch.is_given_up() {
                self.done = true;
                return Err(AudioError::GivenUp);
            }
            self.container.watch.new_call();
            let reader = &mut self.container.reader;
            match guarded(|| reader.next_packet()) {
                Some(Ok(Some(packet))) => {
                    if packet.track_id == self.container.picked.id {
                        self.damage.reader_errors = 0;
                        return Ok(Some(packet));
                    }
                    self.meet(&packet);
                }
                Some(Ok(None)) => return self.end(warnings, false).map(|()| None),
                Some(Err(Error::IoError(e))) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return self.end(warnings, true).map(|()| None);
                }
                Some(Err(Error::IoError(e))) if self.container.watch.disk_failed() => {
                    self.done = true;
                    return Err(AudioError::Read(e));
                }
                Some(Err(Error::ResetRequired)) => {
                    self.chain += 1;
                    let next = pick(self.container.reader.as_ref(), &self.format, &self.container.hints);
                    match next {
                        Ok(picked) if self.chain < MAX_CHAIN => {
                            self.container.picked = picked;
                            self.container.duration_exact = false;
                            self.container.length_s = None;
                            (self.is_started, self.others_s) = (false, None);
                        }
                        _ => {
                            warnings.push(format!(
                                "the part after {:.1} s is of another kind and was left out",
                                self.placer.given_s()
                            ));
                            return self.end(warnings, false).map(|()| None);
                        }
                    }
                }
                Some(Err(_)) => {
                    self.skipped();
                    self.damage.reader_errors += 1;
                    if self.damage.reader_errors > MAX_READER_ERRORS {
                        return self.end(warnings, true).map(|()| None);
                    }
                }
                None => {
                    self.skipped();
                    return self.end(warnings, true).map(|()| None);
                }
            }
        }
    }

    /// Decodes a packet into what is due.
    fn block(&mut self, packet: &Packet, warnings: &mut Warnings) -> Result<(), AudioError> {
        let picked = &mut self.container.picked;
        let Some((rate, channels)) = decode(picked.decoder.as_mut(), packet, &mut self.samples) else {
            self.skipped();
            if self.trial && self.good < TRIAL_GOOD && self.damage.run > TRIAL_BAD {
                return Err(random_data());
            }
            return Ok(());
        };
        if self.samples.is_empty() {
            self.damage.run += 1;
            return Ok(());
        }
        check_shape(rate, channels)?;
        self.damage.run = 0;
        if self.good == 0 && self.trial {
            warnings
                .push("the file does not begin with audio; bytes before the first sound were skipped".into());
        }
        self.good = self.good.saturating_add(1);
        self.report_damage(warnings);
        let picked = &self.container.picked;
        let at_s = picked.time_base.calc_time_saturating(packet.pts).as_secs_f64();
        if !self.is_started {
            self.is_started = true;
            let sound_s = at_s + if picked.delay_is_stamped { picked.delay_s } else { 0.0 };
            let from_s = self.others_s.map_or(sound_s, |others| others.max(0.0).min(sound_s));
            let lead_s = picked.pause_s + sound_s - from_s;
            let length_s = self.container.length_s;
            // The length counts from the first time stamp, or from zero.
            let end_s = length_s.map(|length| from_s.max(0.0) + length);
            self.placer.starts(Start { delay_s: picked.delay_s, lead_s }, end_s);
        }
        let cut_start =
            if picked.own_lead_in { 0 } else { to_frames(picked.time_base, packet.trim_start, rate) };
        let cut_end = to_frames(picked.time_base, packet.trim_end, rate);
        let damaged = std::mem::take(&mut self.damage.skipped_last);
        let stamp = Stamp { at_s, cut: (cut_start, cut_end), damaged };
        self.placer.place(stamp, &self.samples, (rate, channels), warnings);
        Ok(())
    }

    /// Notes when another track begins: the clock of the file starts with the first of them.
    fn meet(&mut self, packet: &Packet) {
        if self.is_started {
            return;
        }
        let tracks = self.container.reader.tracks();
        let base = tracks.iter().find(|track| track.id == packet.track_id).and_then(|track| track.time_base);
        let Some(base) = base else { return };
        let at_s = base.calc_time_saturating(packet.pts).as_secs_f64();
        self.others_s = Some(self.others_s.map_or(at_s, |before| before.min(at_s)));
    }
}

impl Source for PacketSource {
    fn next_block(&mut self, warnings: &mut Warnings) -> Result<Option<Block>, AudioError> {
        loop {
            if let Some(block) = self.placer.next_due() {
                return Ok(Some(block));
            }
            if self.done {
                return Ok(None);
            }
            let Some(packet) = self.packet(warnings)? else { return Ok(None) };
            self.block(&packet, warnings).inspect_err(|_| self.done = true)?;
            if self.damage.run > MAX_BAD_RUN {
                self.end(warnings, true)?;
            }
        }
    }
}

fn random_data() -> AudioError {
    AudioError::NotAudio { looks_like: "random or encrypted data".into() }
}

/// Frames at `rate` in a duration counted in `base`.
fn to_frames(base: TimeBase, duration: Duration, rate: u32) -> u64 {
    (base.calc_duration_saturating(duration).as_secs_f64() * f64::from(rate)).round() as u64
}

/// Decodes one packet into interleaved `samples`; its rate and channels, or `None` for a damaged one.
fn decode(decoder: &mut dyn AudioDecoder, packet: &Packet, samples: &mut Vec<f32>) -> Option<(u32, usize)> {
    samples.clear();
    if packet.data.is_empty() {
        return None;
    }
    let mut bare = packet.as_packet_ref();
    // The timeline trims, by one rule for all codecs.
    bare.trim_start = Duration::ZERO;
    bare.trim_end = Duration::ZERO;
    let decoded = guarded(|| {
        let buffer = decoder.decode_ref(&bare).ok()?;
        buffer.copy_to_vec_interleaved(samples);
        Some((buffer.spec().rate(), buffer.spec().channels().count()))
    });
    match decoded {
        Some(shape) => shape,
        None => {
            // Half-changed by the panic; start it afresh.
            let _ = guarded(|| decoder.reset());
            None
        }
    }
}
