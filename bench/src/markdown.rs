//! Writes rows and verdicts as Markdown that is also read well in a terminal.

use std::fs;

use anyhow::Context as _;

use crate::arm::Arm;
use crate::options::Options;
use crate::row::{self, Figure, Row};
use crate::statistics::Spread;
use crate::tables::calls::{APART, RAW};
use crate::tables::neighbour::ALONE;
use crate::tables::{Table, abroad};
use crate::verdict;

const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- /figures -->";

/// All that there is to say of a run.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) head: String,
    /// Before and after.
    pub(crate) load: (f64, f64),
    pub(crate) options: &'a Options,
    pub(crate) rows: &'a [(Table, Row)],
    pub(crate) notes: Vec<String>,
}

/// One figure of one subject.
struct Section {
    title: String,
    figure: Figure,
    text: String,
}

/// A table with its sections, one after the other.
pub(crate) fn table(table: Table, rows: &[Row]) -> String {
    let sections = sections(rows).into_iter().map(|section| format!("### {}\n\n{}\n", section.title, section.text));
    format!("## {}\n\n{}", table.title(), sections.collect::<String>())
}

/// The page with everything between the markers replaced.
fn fill(page: &str, figures: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("there is no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("there is no {END} after {BEGIN}"))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", figures.trim()))
}

// === impl Run ===

impl Run<'_> {
    /// What was to be reached, and what was.
    pub(crate) fn verdict(&self) -> String {
        let head = ["figure", "reach", "measured: median (range)", "verdict"].map(str::to_owned).to_vec();
        let lines = verdict::judge(self.rows).into_iter().map(|verdict| {
            let reach = |reach| format!("at most {reach} {}", verdict.unit).trim_end().to_owned();
            let reach = verdict.reach.map_or_else(|| "printed".to_owned(), reach);
            let measured = verdict.measured.map_or_else(|| "-".to_owned(), |spread| ranged(spread, verdict.digits));
            vec![verdict.name.to_owned(), reach, measured, verdict.word().to_owned()]
        });
        format!("## Verdict\n\n{}", grid(&[head].into_iter().chain(lines).collect::<Vec<_>>()))
    }

    /// Writes the files that were asked for.
    pub(crate) fn keep(&self) -> anyhow::Result<()> {
        if let Some(file) = &self.options.markdown {
            let page = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            fs::write(file, fill(&page, &self.page()).with_context(|| file.display().to_string())?)?;
        }
        if let Some(file) = &self.options.json {
            fs::write(file, format!("{:#}\n", row::to_json(self.rows)))?;
        }
        Ok(())
    }

    /// The head, the verdict, the tables and the notes. What is not the first figure of its subject is folded away.
    fn page(&self) -> String {
        let (before, after) = self.load;
        let (rounds, seconds) = (self.options.rounds, self.options.seconds);
        let mut page = format!(
            "{}- load: {before:.2} before, {after:.2} after\n- {rounds} rounds of {seconds} s; median (min–max) of the \
             rounds; a ratio is taken within a round\n\n{}\n",
            self.head,
            self.verdict()
        );
        for table in &self.options.tables {
            let rows: Vec<Row> = self.rows.iter().filter(|(of, _)| of == table).map(|(_, row)| row.clone()).collect();
            page.push_str(&format!("## {}\n\n", table.title()));
            page.extend(sections(&rows).iter().map(|section| fold(section, &rows)));
        }
        let notes: String = self.notes.iter().map(|note| format!("- {}\n", note.replace('\n', " "))).collect();
        if notes.is_empty() { page } else { format!("{page}## Notes\n\n{notes}") }
    }
}

fn fold(Section { title, figure, text }: &Section, rows: &[Row]) -> String {
    let is_first = rows.first().is_some_and(|row| row.figure == *figure) || *figure == Figure::Start;
    if is_first {
        format!("### {title}\n\n{text}\n")
    } else {
        format!("<details><summary>{title}</summary>\n\n{text}\n</details>\n\n")
    }
}

fn sections(rows: &[Row]) -> Vec<Section> {
    let mut sections: Vec<(&str, Figure)> = Vec::new();
    for row in rows {
        if !sections.contains(&(&row.subject, row.figure)) {
            sections.push((&row.subject, row.figure));
        }
    }
    let section = |(subject, figure): (&str, Figure)| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.subject == subject && row.figure == figure).collect();
        Section { title: format!("{subject}: {} in {}", figure.name(), figure.unit()), figure, text: lines(&rows) }
    };
    sections.into_iter().map(section).collect()
}

/// A line a row: the figure, then its ratio to each reference that was measured as well.
fn lines(rows: &[&Row]) -> String {
    let references = Arm::REFERENCES.map(Arm::name).into_iter().chain([ALONE, APART, RAW, abroad::RAW]);
    let references: Vec<&str> = references.filter(|arm| rows.iter().any(|row| row.arm == *arm)).collect();
    let all: Vec<Row> = rows.iter().map(|row| (*row).clone()).collect();
    let mut grid_lines = vec![vec!["case".to_owned(), "arm".to_owned(), "median (range)".to_owned()]];
    grid_lines[0].extend(references.iter().map(|arm| format!("÷ {arm}")));
    for row in rows {
        let value = row.spread().map_or_else(|| "-".to_owned(), |spread| ranged(spread, digits(row.figure)));
        let ratio = |reference: &&str| match row::find(&all, row, reference) {
            Some(reference) if reference.arm != row.arm => {
                row.ratio(reference).map_or_else(|| "-".to_owned(), |spread| ranged(spread, 2))
            }
            Some(_) | None => String::new(),
        };
        let mut line = vec![row.case.clone(), row.arm.to_owned(), value];
        line.extend(references.iter().map(ratio));
        grid_lines.push(line);
    }
    grid(&grid_lines)
}

const fn digits(figure: Figure) -> usize {
    match figure {
        Figure::Cpu | Figure::Start | Figure::Memory | Figure::Call => 1,
        Figure::P50 | Figure::P99 | Figure::Rate => 0,
        Figure::Cores => 2,
    }
}

/// A median with its range; alone where there was one round.
fn ranged(Spread { median, min, max }: Spread, digits: usize) -> String {
    let number = |number: f64| format!("{number:.digits$}");
    if min == max { number(median) } else { format!("{} ({}–{})", number(median), number(min), number(max)) }
}

/// Lines of cells with the first as the head, each column as wide as its widest cell.
fn grid(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width =
        |column: usize| lines.iter().filter_map(|line| Some(line.get(column)?.chars().count())).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let write = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!(" {} |", "-".repeat(*width))).collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        text.push_str(&write(line));
        if index == 0 {
            text.push_str(&format!("|{rule}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{fill, lines};
    use crate::arm::Arm;
    use crate::row::{Figure, Row};

    #[test]
    fn a_line_has_the_figure_and_its_ratios() {
        let row = |arm: Arm, rounds: [f64; 3]| Row {
            subject: "hello".to_owned(),
            case: "1".to_owned(),
            arm: arm.name(),
            figure: Figure::Cpu,
            rounds: rounds.map(Some).to_vec(),
        };
        let (floor, ours) = (row(Arm::Floor, [10.0, 20.0, 10.0]), row(Arm::WattleFresh, [15.0, 30.0, 20.0]));
        let expected = "\
| case | arm         | median (range)   | ÷ hyper-floor    |
| ---- | ----------- | ---------------- | ---------------- |
| 1    | hyper-floor | 10.0 (10.0–20.0) |                  |
| 1    | wattle up   | 20.0 (15.0–30.0) | 1.50 (1.50–2.00) |
";
        assert_eq!(lines(&[&floor, &ours]), expected);
    }

    #[test]
    fn what_stands_between_the_markers_is_replaced() {
        let page = "a\n<!-- figures -->\nold\n<!-- /figures -->\nb\n";
        let filled = fill(page, "new\n").expect("both markers are there");
        assert_eq!(filled, "a\n<!-- figures -->\n\nnew\n\n<!-- /figures -->\nb\n");
        assert_eq!(fill(&filled, "new").ok(), Some(filled));
        assert!(fill("a\n<!-- figures -->\n", "new").is_err());
    }
}
