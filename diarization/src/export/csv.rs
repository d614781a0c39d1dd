//! CSV (RFC 4180). What a spreadsheet would take for a formula gets an apostrophe before it.

use super::{Sheet, seconds};
use ::csv::{Terminator, WriterBuilder};

/// Characters that begin a formula, also as they are written in East Asian scripts.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Characters behind which a cell may begin. Where a comma is for decimals, spreadsheets part cells by a semicolon, whatever quotes are
/// around it.
const SEPARATORS: [char; 3] = [';', '\t', '|'];

/// `name`, with an apostrophe before what a spreadsheet would take for a formula, wherever it would begin a cell.
fn harmless(name: &str) -> String {
    let cell = |cell: &str| {
        let begins = cell.trim_start_matches(|c: char| c.is_whitespace() || c == '"');
        if begins.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
    };
    name.split_inclusive(SEPARATORS).map(cell).collect()
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
    fn no_cell_begins_a_formula_whatever_parts_the_cells() {
        for (name, harmless_name) in [
            ("=1+1", "'=1+1"),
            ("＝1＋1", "'＝1＋1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠SUM(A1)", "'＠SUM(A1)"),
            (" =1", "' =1"),
            ("Ann;=1+1", "Ann;'=1+1"),
            ("Ann; \"@x;b|-2", "Ann;' \"@x;b|'-2"),
            ("Ann-Marie + Bob", "Ann-Marie + Bob"),
            ("Ann;Bob", "Ann;Bob"),
        ] {
            assert_eq!(harmless(name), harmless_name);
        }
    }

    #[test]
    fn what_a_name_holds_breaks_no_column_and_is_no_formula() {
        assert_eq!(
            write(&super::super::tests::sheet()),
            "start,end,speaker,confidence\r\n0.500,2.250,Ann,0.987\r\n2.000,3725.004,\"'=B\"\"o,b <&> é\",\r\n3730.000,3731.000,Ann,0.500\r\n"
        );
    }
}
