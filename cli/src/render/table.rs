//! A plain table: columns by two spaces, no lines, cut to the width of the terminal.

use console::{Alignment, measure_text_width, pad_str, style, truncate_str};

use super::text::one_line;
use crate::{
    failure::{Exit, Failure},
    output::Output,
};

/// Between two columns.
const GAP: &str = "  ";
/// Narrowest column that is cut; below this the whole line is cut instead.
const NARROWEST: usize = 8;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    head: &'static str,
    align: Alignment,
    may_be_cut: bool,
}

impl Column {
    /// A column that is shown whole, as an id must be.
    pub(crate) const fn whole(head: &'static str) -> Self {
        Self { head, align: Alignment::Left, may_be_cut: false }
    }

    /// A column of numbers.
    pub(crate) const fn right(head: &'static str) -> Self {
        Self { head, align: Alignment::Right, may_be_cut: false }
    }

    /// A column of texts that may be cut where the terminal is narrow.
    pub(crate) const fn cut(head: &'static str) -> Self {
        Self { head, align: Alignment::Left, may_be_cut: true }
    }
}

/// Rows under heads. A cell is one line; colours in it do not count.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    /// The table as text, without a newline at its end.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let heads: Vec<String> = self.columns.iter().map(|column| style(column.head).bold().to_string()).collect();
        let lines = std::iter::once(&heads).chain(&self.rows).map(|cells| self.line(cells, &widths, width));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Writes the table, or says on standard error that there is nothing to show.
    pub(crate) fn print(&self, output: &Output, when_empty: &str) -> Result<Exit, Failure> {
        if self.rows.is_empty() {
            output.note(when_empty);
        } else {
            output.line(self.render(output.width()))?;
        }
        Ok(Exit::Done)
    }

    fn line(&self, cells: &[String], widths: &[usize], limit: Option<usize>) -> String {
        let cell = |((cell, column), width): ((&String, &Column), &usize)| {
            pad_str(cell, *width, column.align, Some("…")).into_owned()
        };
        let line = cells.iter().zip(&self.columns).zip(widths).map(cell).collect::<Vec<_>>().join(GAP);
        let line = line.trim_end();
        limit.map_or_else(|| line.into(), |limit| truncate_str(line, limit, "…").into_owned())
    }

    /// Takes what is too much from the widest columns that may be cut.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let content = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            cells.map(|cell| measure_text_width(cell)).max().unwrap_or(0).max(measure_text_width(column.head))
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(content).collect();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let Some(limit) = limit else { return widths };
        while widths.iter().sum::<usize>() + gaps > limit {
            let cut =
                self.columns.iter().zip(&mut widths).filter(|(column, width)| column.may_be_cut && **width > NARROWEST);
            let Some((_, widest)) = cut.max_by_key(|(_, width)| **width) else { break };
            *widest -= 1;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([Column::whole("ID"), Column::right("N"), Column::cut("TEXT"), Column::cut("MORE")]);
        table.row(["a-b-c".into(), "7".into(), "a text\nof some length".into(), "ü".repeat(30)]);
        table.row(["d".into(), "1234".into(), String::new(), String::new()]);
        table
    }

    #[test]
    fn without_a_width_all_is_shown() {
        let text = table().render(None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ID        N  TEXT                   MORE");
        assert_eq!(lines[1], format!("a-b-c     7  a text of some length  {}", "ü".repeat(30)));
        assert_eq!(lines[2], "d      1234");
    }

    #[test]
    fn the_widest_columns_are_cut_to_the_width() {
        for width in 1..80 {
            let text = table().render(Some(width));
            assert!(text.lines().all(|line| measure_text_width(line) <= width), "{width}:\n{text}");
            assert_eq!(text.lines().count(), 3);
        }
        let text = table().render(Some(50));
        assert!(text.contains("a-b-c     7  a text of some"), "{text}");
        assert!(text.contains('…'), "{text}");
    }
}
