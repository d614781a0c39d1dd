//! Frames of MPEG audio and of AAC in ADTS: what their headers say.

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Layer, rate and channels, such that frames that differ in it need another decoder.
    pub(super) shape: [u32; 3],
    /// Length in bytes, header included.
    pub(super) length: u64,
}

/// Bytes that are needed of a header.
pub(super) const HEAD: usize = 7;

/// kbit/s by index, for layers I, II and III of MPEG-1, then for layer I and for layers II and III of MPEG-2.
#[rustfmt::skip]
const BIT_RATES: [[u64; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// A frame of MPEG audio (ISO 11172-3 and 13818-3). Those of free bit rate are not known.
pub(super) fn mpeg(head: [u8; HEAD]) -> Option<Frame> {
    let [sync, version, rates, mode, ..] = head;
    if sync != 0xff || version & 0xe0 != 0xe0 {
        return None;
    }
    let layer = match version >> 1 & 3 {
        0 => return None,
        bits => 4 - u64::from(bits),
    };
    // Version 1, version 2, and 2.5 with half the rates of that.
    let (first, divide) = match version >> 3 & 3 {
        3 => (true, 1),
        2 => (false, 2),
        0 => (false, 4),
        _ => return None,
    };
    let rate = *[44_100_u32, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? / divide;
    let row = match (first, layer) {
        (true, layer) => layer as usize - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let bits = *BIT_RATES[row].get(usize::from(rates >> 4))? * 1000;
    if bits == 0 {
        return None;
    }
    let padding = u64::from(rates >> 1 & 1);
    let length = match (layer, first) {
        (1, _) => (12 * bits / u64::from(rate) + padding) * 4,
        (3, false) => 72 * bits / u64::from(rate) + padding,
        _ => 144 * bits / u64::from(rate) + padding,
    };
    let channels = if mode >> 6 == 3 { 1 } else { 2 };
    Some(Frame { shape: [layer as u32, rate, channels], length })
}

/// A frame of AAC in ADTS (ISO 13818-7).
pub(super) fn adts(head: [u8; HEAD]) -> Option<Frame> {
    let [sync, version, rates, channels, long, short, _] = head;
    if sync != 0xff || version & 0xf6 != 0xf0 {
        return None;
    }
    let rate = u32::from(rates >> 2 & 15);
    let count = u32::from(rates & 1) << 2 | u32::from(channels >> 6);
    let length = u64::from(channels & 3) << 11 | u64::from(long) << 3 | u64::from(short >> 5);
    (rate < 13 && length >= HEAD as u64).then_some(Frame { shape: [0, rate, count], length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_frame_follows_from_its_header() {
        let of = |head: [u8; 4]| mpeg([head[0], head[1], head[2], head[3], 0, 0, 0]);
        // MPEG-1 layer III, 128 kbit/s at 44.1 kHz, with and without padding; MPEG-2, 64 kbit/s at 16 kHz, mono.
        assert_eq!(of([0xff, 0xfb, 0x90, 0x64]), Some(Frame { shape: [3, 44_100, 2], length: 417 }));
        assert_eq!(of([0xff, 0xfb, 0x92, 0x64]), Some(Frame { shape: [3, 44_100, 2], length: 418 }));
        assert_eq!(of([0xff, 0xf3, 0x88, 0xc4]), Some(Frame { shape: [3, 16_000, 1], length: 288 }));
        for none in [[0xff, 0xff, 0xff, 0xff], [0xff, 0xfb, 0x00, 0x64], [0xff, 0xeb, 0x90, 0x64], [0; 4]] {
            assert_eq!(of(none), None);
        }
        let aac = adts([0xff, 0xf1, 0x50, 0x40, 0x2e, 0x7f, 0xfc]);
        assert_eq!(aac, Some(Frame { shape: [0, 4, 1], length: 371 }));
    }
}
