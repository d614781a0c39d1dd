//! RTTM from anybody: reading never panics, and what is written is read back.

#![no_main]

use diarization::rttm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(segments) = rttm::parse(text) else { return };
    let written = rttm::write(&segments);
    let again = rttm::parse(&written).expect("what was written is RTTM");
    assert_eq!(again.len(), segments.len());
    for (a, b) in segments.iter().zip(&again) {
        assert_eq!((&a.file, &a.speaker), (&b.file, &b.speaker));
        assert!((a.start_s - b.start_s).abs() <= 0.001 && (a.duration_s - b.duration_s).abs() <= 0.001);
    }
    // A name of any characters stays one column of one line.
    let named = rttm::Segment { file: text.into(), start_s: 1.0, duration_s: 2.0, speaker: text.into() };
    let lines = rttm::write(&[named]);
    assert_eq!(lines.lines().count(), 1);
    assert_eq!(rttm::parse(&lines).expect("a name cannot break it").len(), 1);
});
