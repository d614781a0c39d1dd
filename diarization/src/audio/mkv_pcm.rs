//! Samples with their times, out of the Matroska stream that ffmpeg writes: one track of 32-bit floats.

use std::io::{self, Read};

use super::ebml::{CLUSTER, SEGMENT, TIMESTAMP, TRACK_ENTRY, TRACKS, head, unsigned};

const AUDIO: u64 = 0xe1;
const SAMPLING_FREQUENCY: u64 = 0xb5;
const CHANNELS: u64 = 0x9f;
const BLOCK_GROUP: u64 = 0xa0;
const SIMPLE_BLOCK: u64 = 0xa3;
const BLOCK: u64 = 0xa1;
/// Bytes of the number of the track, the time stamp and the flags before the samples of a block.
const BLOCK_HEAD: u64 = 4;
/// Bytes of a block at most.
const MOST_OF_BLOCK: u64 = 64 << 20;

/// The stream. Its ticks are milliseconds.
pub(super) struct MkvPcm<R> {
    reader: R,
    rate: u32,
    channels: usize,
    cluster_ms: u64,
    bytes: Vec<u8>,
    /// The size of the first block, whose head was read with the headers.
    first: Option<u64>,
}

impl<R: Read> MkvPcm<R> {
    /// Reads up to the first samples; `None` where there are none.
    pub(super) fn open(reader: R) -> Option<Self> {
        let mut it = Self { reader, rate: 0, channels: 0, cluster_ms: 0, bytes: Vec::new(), first: None };
        it.first = it.next_size().ok()?;
        (it.rate > 0 && it.channels > 0 && it.first.is_some()).then_some(it)
    }

    /// Frames per second, and channels.
    pub(super) fn shape(&self) -> (u32, usize) {
        (self.rate, self.channels)
    }

    /// The next samples, interleaved, with the time of the first in s; `None` at the end.
    pub(super) fn next_samples(&mut self, samples: &mut Vec<f32>) -> io::Result<Option<f64>> {
        let size = match self.first.take() {
            Some(size) => size,
            None => match self.next_size()? {
                Some(size) => size,
                None => return Ok(None),
            },
        };
        self.bytes.clear();
        if self.reader.by_ref().take(size).read_to_end(&mut self.bytes)? < BLOCK_HEAD as usize {
            return Ok(None);
        }
        let (block, data) = self.bytes.split_at(BLOCK_HEAD as usize);
        let own_ms = i64::from(i16::from_be_bytes([block[1], block[2]]));
        samples.clear();
        samples.extend(data.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)));
        let whole = samples.len() / self.channels * self.channels;
        samples.truncate(whole);
        Ok(Some((self.cluster_ms as i64 + own_ms) as f64 / 1000.0))
    }

    /// Goes on to the next block and tells its size.
    fn next_size(&mut self) -> io::Result<Option<u64>> {
        loop {
            let Some((id, size)) = head(&mut self.reader) else { return Ok(None) };
            match (id, size) {
                // Go inside.
                (SEGMENT | CLUSTER | TRACKS | TRACK_ENTRY | AUDIO | BLOCK_GROUP, _) => {}
                (SIMPLE_BLOCK | BLOCK, Some(size)) if size <= MOST_OF_BLOCK => return Ok(Some(size)),
                (TIMESTAMP, Some(size)) => match unsigned(&mut self.reader, size) {
                    Some(ms) => self.cluster_ms = ms,
                    None => return Ok(None),
                },
                (CHANNELS, Some(size)) => {
                    self.channels = unsigned(&mut self.reader, size).unwrap_or(0) as usize;
                }
                (SAMPLING_FREQUENCY, Some(8)) => {
                    let bits = unsigned(&mut self.reader, 8).unwrap_or(0);
                    self.rate = f64::from_bits(bits) as u32;
                }
                (_, Some(size)) => {
                    io::copy(&mut self.reader.by_ref().take(size), &mut io::sink())?;
                }
                (_, None) => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_with_the_time_of_their_cluster_and_of_their_block() {
        let rate = [&[0xb5, 0x88][..], &16_000_f64.to_be_bytes()].concat();
        let audio = [&[0xe1, 0x8d][..], &rate, &[0x9f, 0x81, 1]].concat();
        let mut file = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".to_vec();
        file.extend([&[0x16, 0x54, 0xae, 0x6b, 0x91, 0xae, 0x8f][..], &audio].concat());
        for (ms, value) in [(0x10_u8, 0.5_f32), (0x20, -0.25)] {
            file.extend([0x1f, 0x43, 0xb6, 0x75, 0x8d, 0xe7, 0x81, ms, 0xa3, 0x88, 0x81, 0, 2, 0x80]);
            file.extend(value.to_le_bytes());
        }
        let mut stream = MkvPcm::open(file.as_slice()).expect("has samples");
        assert_eq!(stream.shape(), (16_000, 1));
        let (mut samples, mut all) = (Vec::new(), Vec::new());
        while let Some(at_s) = stream.next_samples(&mut samples).expect("is read") {
            all.push((at_s, samples.clone()));
        }
        assert_eq!(all, [(0.018, vec![0.5]), (0.034, vec![-0.25])]);
    }

    #[test]
    fn a_stream_without_samples_is_none() {
        assert!(MkvPcm::open(&[][..]).is_none() && MkvPcm::open(&[0xff; 100][..]).is_none());
    }
}
