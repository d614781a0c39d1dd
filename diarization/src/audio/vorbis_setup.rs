//! Memory that the code books of a Vorbis stream ask for (Vorbis I specification, 3.2.1). A book of nine megabytes can
//! be written in twenty bytes, and there may be 256 of them.

/// Vector elements in all books together: 16 MiB. Real encoders stay below 200,000.
const MOST_ELEMENTS: u64 = 4 << 20;
/// Entries in all books together.
const MOST_ENTRIES: u64 = 1 << 20;
/// First bytes of a setup header.
const SETUP: &[u8] = b"\x05vorbis";

/// True where the setup header in `headers` asks for a moderate amount of memory. Where the header breaks off or makes no sense, the
/// decoder stops at the same place, and what counts is what came before.
pub(super) fn is_moderate(headers: &[u8]) -> bool {
    let starts = headers.windows(SETUP.len()).enumerate().filter(|(_, window)| *window == SETUP);
    starts.map(|(at, _)| &headers[at + SETUP.len()..]).all(|setup| {
        let mut total = Total::default();
        let _ = books(&mut Bits { bytes: setup, at: 0 }, &mut total);
        total.is_moderate()
    })
}

#[derive(Default)]
struct Total {
    elements: u64,
    entries: u64,
}

impl Total {
    fn is_moderate(&self) -> bool {
        self.elements <= MOST_ELEMENTS && self.entries <= MOST_ENTRIES
    }
}

/// Bits of a byte string, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u64> {
        let mut value = 0;
        for bit in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= u64::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.at = self.at.checked_add(usize::try_from(count).ok()?)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }
}

fn books(bits: &mut Bits<'_>, total: &mut Total) -> Option<()> {
    for _ in 0..=bits.take(8)? {
        book(bits, total)?;
        if !total.is_moderate() {
            return None;
        }
    }
    Some(())
}

fn book(bits: &mut Bits<'_>, total: &mut Total) -> Option<()> {
    let (sync, dimensions, entries) = (bits.take(24)?, bits.take(16)?, bits.take(24)?);
    if sync != 0x56_4342 {
        return None;
    }
    total.entries += entries;
    lengths(bits, entries)?;
    let lookup = bits.take(4)?;
    if lookup == 0 {
        return Some(());
    }
    bits.skip(64)?;
    let width = bits.take(4)? + 1;
    bits.skip(1)?;
    // Counted before its values are read: the decoder may go on where this reader stops.
    total.elements += entries * dimensions;
    let values = if lookup == 1 { largest_root(entries, dimensions) } else { entries * dimensions };
    bits.skip(values * width)
}

/// The lengths of the code words.
fn lengths(bits: &mut Bits<'_>, entries: u64) -> Option<()> {
    if bits.take(1)? == 1 {
        bits.skip(5)?;
        let mut seen = 0;
        while seen < entries {
            seen += bits.take(u64::BITS - (entries - seen).leading_zeros())?;
        }
        return Some(());
    }
    if bits.take(1)? == 0 {
        return bits.skip(entries.checked_mul(5)?);
    }
    for _ in 0..entries {
        if bits.take(1)? == 1 {
            bits.skip(5)?;
        }
    }
    Some(())
}

/// The largest number whose power to `dimensions` is at most `entries`.
fn largest_root(entries: u64, dimensions: u64) -> u64 {
    let Ok(power) = u32::try_from(dimensions) else { return 1 };
    let fits = |value: u64| value.checked_pow(power).is_some_and(|product| product <= entries);
    let mut root = 1;
    while power > 0 && fits(root + 1) {
        root += 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `(value, bits)` pairs, lowest bit first, behind a setup header's start.
    fn setup(fields: &[(u64, u32)]) -> Vec<u8> {
        let bits: Vec<u8> = fields
            .iter()
            .flat_map(|&(value, count)| (0..count).map(move |bit| (value >> bit & 1) as u8))
            .collect();
        let bytes =
            bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |all, (n, bit)| all | bit << n));
        SETUP.iter().copied().chain(bytes).collect()
    }

    /// `count` books of 131,072 entries of 17 elements, all code words of 17 bits, two values.
    fn large(count: usize) -> Vec<u8> {
        let book = [
            (0x56_4342, 24),
            (17, 16),
            (1 << 17, 24),
            (1, 1),
            (16, 5),
            (1 << 17, 18),
            (1, 4),
            (0, 64),
            (0, 5),
            (0, 2),
        ];
        let fields = [(count as u64 - 1, 8)].into_iter().chain((0..count).flat_map(|_| book));
        setup(&fields.collect::<Vec<_>>())
    }

    #[test]
    fn one_large_book_passes_and_two_do_not() {
        assert!(is_moderate(&large(1)));
        assert!(!is_moderate(&large(2)));
        assert!(large(256).len() < 7_000);
        assert!(!is_moderate(&large(256)));
    }

    #[test]
    fn rubbish_is_left_to_the_decoder() {
        assert!(is_moderate(b"") && is_moderate(SETUP) && is_moderate(&[SETUP, &[0xff; 100]].concat()));
        assert!(is_moderate(&large(2)[..20]));
    }

    #[test]
    fn the_number_of_values_is_the_root_that_the_specification_asks_for() {
        assert_eq!(
            [largest_root(6561, 4), largest_root(625, 4), largest_root(624, 4), largest_root(7, 32)],
            [9, 5, 4, 1]
        );
    }

    #[test]
    fn the_books_of_a_real_encoder_are_moderate() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/formats/ogg_vorbis_44k1_stereo.ogg");
        let file = std::fs::read(path).expect("the file is there");
        assert!(file.windows(SETUP.len()).any(|window| window == SETUP) && is_moderate(&file[..8_192]));
    }
}
