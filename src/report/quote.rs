//! The lines of the image that a finding quotes, made safe for a terminal.

use super::safe::safe;
use crate::checks::run::Finding;
use annotate_snippets::{Annotation, AnnotationKind, Snippet};
use std::collections::BTreeSet;
use std::ops::Range;

/// Lines shown before and after a line that is meant.
const AROUND: usize = 2;
/// When the lines that are meant lie farther apart than this, those between are left out.
const TOGETHER: usize = 14;
/// Longer lines are cut around what is meant.
const LINE_CAP: usize = 600;

/// Part of a file with the places that are meant.
pub struct Quoted {
    path: String,
    text: String,
    first: usize,
    fold: bool,
    primary: Range<usize>,
    label: String,
    context: Vec<Range<usize>>,
}

/// The finding's line, and the lines of its evidence that stand in the same file.
pub fn quoted(finding: &Finding) -> Option<Quoted> {
    let origin = finding.origin.as_ref()?;
    let line = origin.line? as usize;
    let same_file = finding.evidence.iter().filter_map(|e| e.origin.as_ref());
    let others: BTreeSet<usize> = same_file
        .filter(|o| o.file.path == origin.file.path && o.file.partition == origin.file.partition)
        .filter_map(|o| Some(o.line? as usize))
        .filter(|other| *other != line)
        .collect();
    let low = others.first().map_or(line, |o| line.min(*o));
    let high = others.last().map_or(line, |o| line.max(*o));
    let first = low.saturating_sub(AROUND).max(1);
    let count = high + AROUND - first + 1;
    let columns = finding.snippet.as_ref().and_then(|s| s.columns);
    let mut text = String::new();
    let mut primary = 0..0;
    let mut context = Vec::new();
    let lines = origin.file.text.lines().skip(first - 1).take(count);
    for (content, number) in lines.zip(first..) {
        let start = text.len();
        let wanted = columns.filter(|_| number == line);
        let (shown, span) = show(content, wanted);
        text.push_str(&shown);
        text.push('\n');
        let span = start + span.start..start + span.end;
        if number == line {
            primary = span;
        } else if others.contains(&number) {
            context.push(span);
        }
    }
    let mut place = finding.location.clone();
    place.line = None;
    Some(Quoted {
        path: safe(&place.to_string()).into_owned(),
        text,
        first,
        fold: count > TOGETHER,
        primary,
        label: format!("critical point: {}", finding.critical_point),
        context,
    })
}

/// A line made safe, and the bytes of it that are meant: the columns, else all but the indentation.
fn show(line: &str, columns: Option<(usize, usize)>) -> (String, Range<usize>) {
    let whole = (line.len() - line.trim_start().len(), line.trim_end().len());
    let (start, end) = columns
        .filter(|(start, end)| start <= end && line.get(*start..*end).is_some())
        .unwrap_or((whole.0.min(whole.1), whole.1));
    let before: String = safe(&line[..start]).chars().take(LINE_CAP).collect();
    let meant: String = safe(&line[start..end]).chars().take(LINE_CAP).collect();
    let after: String = safe(&line[end..]).chars().take(LINE_CAP).collect();
    let span = before.len()..before.len() + meant.len();
    (before + &meant + &after, span)
}

impl Quoted {
    /// For annotate-snippets.
    pub fn into_snippet(self) -> Snippet<'static, Annotation<'static>> {
        let context = self
            .context
            .into_iter()
            .map(|span| AnnotationKind::Context.span(span));
        Snippet::source(self.text)
            .line_start(self.first)
            .path(self.path)
            .fold(self.fold)
            .annotation(AnnotationKind::Primary.span(self.primary).label(self.label))
            .annotations(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_meant_is_found_again_in_the_safe_line() {
        assert_eq!(show("  a=b c", None), ("  a=b c".into(), 2..7));
        assert_eq!(
            show("\tx\x1b[0my", Some((1, 3))),
            (" x\\e[0my".into(), 1..4)
        );
        assert_eq!(show("abc", Some((2, 9))), ("abc".into(), 0..3));
        assert_eq!(show("", None), (String::new(), 0..0));
    }
}
