//! Table: for a terminal and as Markdown.

use crate::report;

/// A table.
pub struct Table {
    header: Vec<&'static str>,
    /// Columns of words, which come first.
    words: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one with columns of `words` and then of `numbers`.
    pub fn new(words: &[&'static str], numbers: &[&'static str]) -> Self {
        Self { header: [words, numbers].concat(), words: words.len(), rows: Vec::new() }
    }

    /// Adds a line.
    pub fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut table = report::table(&self.header, self.words..self.header.len());
        for row in &self.rows {
            table.add_row(row);
        }
        table.to_string()
    }

    /// As a Markdown table.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let header: Vec<String> = self.header.iter().map(|&cell| cell.to_owned()).collect();
        let rule: String =
            (0..self.header.len()).map(|at| if at < self.words { "---|" } else { "---:|" }).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}|{rule}\n{rows}", line(&header))
    }
}

/// `0.1234` as `12.34`.
pub fn percent(rate: f64) -> String {
    format!("{:.2}", 100.0 * rate)
}
