//! An annotation document of ELAN (EAF 3.0, Max Planck Institute for Psycholinguistics): a tier of time-aligned annotations per
//! speaker.

use super::{Sheet, sound};
use quick_xml::escape::escape;
use std::fmt::Write as _;

const SCHEMA: &str = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd";

pub(super) fn write(sheet: &Sheet) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ANNOTATION_DOCUMENT AUTHOR=\"Throughline\" DATE=\"{}\" FORMAT=\"3.0\" VERSION=\"3.0\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:noNamespaceSchemaLocation=\"{SCHEMA}\">\n\
         \x20   <HEADER MEDIA_FILE=\"\" TIME_UNITS=\"milliseconds\"/>\n    <TIME_ORDER>\n",
        escape(sound(&sheet.date))
    );
    // Writing into a String cannot fail.
    let mut line = |indent: usize, words: String| _ = writeln!(text, "{:indent$}{words}", "");
    // Slots by time, as ELAN wants them; a turn's are found again by its number.
    let mut slots: Vec<(u64, usize)> = sheet
        .lines
        .iter()
        .enumerate()
        .flat_map(|(i, it)| [(it.start_ms, 2 * i), (it.end_ms, 2 * i + 1)])
        .collect();
    slots.sort_unstable();
    for (time, number) in slots {
        line(8, format!("<TIME_SLOT TIME_SLOT_ID=\"ts{}\" TIME_VALUE=\"{time}\"/>", number + 1));
    }
    line(4, "</TIME_ORDER>".into());
    for (name, _) in sheet.by_speaker() {
        let name_in_xml = sound(name);
        let tier = escape(&name_in_xml);
        line(
            4,
            format!("<TIER LINGUISTIC_TYPE_REF=\"default-lt\" PARTICIPANT=\"{tier}\" TIER_ID=\"{tier}\">"),
        );
        for (i, _) in sheet.lines.iter().enumerate().filter(|(_, it)| it.speaker == name) {
            let (from, to) = (2 * i + 1, 2 * i + 2);
            line(8, "<ANNOTATION>".into());
            line(
                12,
                format!(
                    "<ALIGNABLE_ANNOTATION ANNOTATION_ID=\"a{}\" TIME_SLOT_REF1=\"ts{from}\" TIME_SLOT_REF2=\"ts{to}\">",
                    i + 1
                ),
            );
            line(16, format!("<ANNOTATION_VALUE>{}</ANNOTATION_VALUE>", tier));
            line(12, "</ALIGNABLE_ANNOTATION>".into());
            line(8, "</ANNOTATION>".into());
        }
        line(4, "</TIER>".into());
    }
    line(
        4,
        "<LINGUISTIC_TYPE GRAPHIC_REFERENCES=\"false\" LINGUISTIC_TYPE_ID=\"default-lt\" TIME_ALIGNABLE=\"true\"/>"
            .into(),
    );
    line(0, "</ANNOTATION_DOCUMENT>".into());
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::sheet;
    use super::*;

    #[test]
    fn a_name_with_what_xml_has_no_place_for_makes_a_document_all_the_same() {
        let mut sheet = sheet();
        sheet.lines[0].speaker = "A\u{fffe}n\u{ffff}n\u{1}\u{0}\u{b}\u{1f600}".to_owned();
        let text = write(&sheet);
        assert!(text.contains("TIER_ID=\"A\u{fffd}n\u{fffd}n\u{fffd}\u{fffd}\u{fffd}\u{1f600}\""), "{text}");
        assert!(!text.contains(['\u{fffe}', '\u{ffff}', '\u{1}', '\u{0}', '\u{b}']));
    }

    #[test]
    fn slots_rise_and_every_annotation_has_two() {
        let text = write(&sheet());
        let times: Vec<u64> = text
            .split("TIME_VALUE=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().and_then(|t| t.parse().ok()).expect("a time"))
            .collect();
        assert!(times.len() == 6 && times.is_sorted(), "{times:?}");
        assert!(
            text.contains("TIME_SLOT_REF1=\"ts3\" TIME_SLOT_REF2=\"ts4\"")
                && text.contains("ts3\" TIME_VALUE=\"2000\"")
        );
        assert!(text.contains("TIER_ID=\"=B&quot;o,b &lt;&amp;&gt; é\""), "{text}");
    }
}
