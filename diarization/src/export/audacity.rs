//! A label track of Audacity: start, end and label, parted by tabs.

use super::{Sheet, seconds};

pub(super) fn write(sheet: &Sheet) -> String {
    let label = |line: &super::Line| {
        format!("{}\t{}\t{}\n", seconds(line.start_ms), seconds(line.end_ms), line.speaker.replace('\t', " "))
    };
    sheet.lines.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_line() {
        let text = write(&super::super::tests::sheet());
        assert_eq!(text.lines().next(), Some("0.500\t2.250\tAnn"));
        assert_eq!(text.lines().count(), 3);
    }
}
