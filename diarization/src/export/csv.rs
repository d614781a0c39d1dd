//! CSV (RFC 4180). A name that a spreadsheet would take for a formula gets an apostrophe before it.

use super::{Sheet, seconds};
use ::csv::{Terminator, WriterBuilder};

/// `name`, with an apostrophe before what a spreadsheet would take for a formula.
fn harmless(name: &str) -> String {
    if name.starts_with(['=', '+', '-', '@']) { format!("'{name}") } else { name.to_owned() }
}

pub(super) fn write(sheet: &Sheet) -> String {
    let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let mut row = |cells: [&str; 4]| table.write_record(cells);
    let mut rows = || {
        row(["start", "end", "speaker", "confidence"])?;
        for line in &sheet.lines {
            let confidence = line.confidence.map(|p| format!("{p:.3}")).unwrap_or_default();
            row([&seconds(line.start_ms), &seconds(line.end_ms), &harmless(&line.speaker), &confidence])?;
        }
        Ok::<(), ::csv::Error>(())
    };
    // Into memory: neither can fail.
    let written = rows().map_err(|error| error.to_string());
    let bytes = table.into_inner().map_err(|error| error.to_string());
    written.and(bytes).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_holds_breaks_no_column_and_is_no_formula() {
        assert_eq!(
            write(&super::super::tests::sheet()),
            "start,end,speaker,confidence\r\n0.500,2.250,Ann,0.987\r\n2.000,3725.004,\"'=B\"\"o,b <&> é\",\r\n3730.000,3731.000,Ann,0.500\r\n"
        );
    }
}
