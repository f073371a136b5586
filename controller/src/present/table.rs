//! Tables: columns as wide as their widest cell, two blanks between them.

use super::style::{Style, Tone};
use super::words;

/// One cell: a text and its tone.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        // What comes from afar moves no cursor here.
        Self {
            text: words::clean(text.as_ref()),
            tone,
        }
    }

    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Rows below a head.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

impl Table {
    /// A table with this head; an empty one shows none.
    pub(crate) fn new<'a>(head: impl IntoIterator<Item = &'a str>) -> Self {
        let head: Vec<Cell> = head
            .into_iter()
            .map(|text| Cell::new(Tone::Head, text))
            .collect();
        Self {
            rows: if head.is_empty() {
                Vec::new()
            } else {
                vec![head]
            },
            indent: 0,
        }
    }

    /// Indented by that many blanks.
    pub(crate) fn indented(mut self, blanks: usize) -> Self {
        self.indent = blanks;
        self
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn render(&self, style: Style) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        self.rows
            .iter()
            .map(|row| self.line(row, &widths, style))
            .collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], style: Style) -> String {
        let mut line = " ".repeat(self.indent);
        let last = row
            .iter()
            .rposition(|cell| !cell.text.is_empty())
            .unwrap_or(0);
        for (at, (cell, width)) in row.iter().zip(widths).take(last + 1).enumerate() {
            line.push_str(&style.paint(cell.tone, &cell.text));
            if at < last {
                let pad = width - cell.text.chars().count() + 2;
                line.extend(std::iter::repeat_n(' ', pad));
            }
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_with_and_without_colour() {
        let mut table = Table::new(["NODE", "STATE"]);
        table.row([Cell::plain("a-long-name"), Cell::new(Tone::Bad, "down")]);
        table.row([Cell::plain("é"), Cell::new(Tone::Good, "alive")]);
        insta::assert_snapshot!(table.render(Style::Plain), @"
        NODE         STATE
        a-long-name  down
        é            alive
        ");
        let coloured = table.render(Style::Colour);
        let bare = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m"];
        let bare = bare
            .iter()
            .fold(coloured.clone(), |text, code| text.replace(code, ""));
        assert_eq!(bare, table.render(Style::Plain));
        assert!(coloured.contains("\u{1b}[31mdown\u{1b}[0m"));
    }

    #[test]
    fn a_cell_from_afar_moves_no_cursor() {
        let mut table = Table::new([]);
        table.row([Cell::plain("a\u{1b}[2Jb\nc"), Cell::plain("")]);
        assert_eq!(table.render(Style::Plain), "a\\u{1b}[2Jb / c\n");
    }
}
