//! Reads rule files and directories of them; mistakes are told with file, line and column.

use super::{Rule, nearest};
use std::path::{Path, PathBuf};

/// A mistake in a rule file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", place(.line, .column))]
pub struct RuleError {
    /// File.
    pub file: String,
    /// 1-based line.
    pub line: Option<usize>,
    /// 1-based column.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

fn place(line: &Option<usize>, column: &Option<usize>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        (Some(line), None) => format!(":{line}"),
        _ => String::new(),
    }
}

/// Parses one rule file and makes its check once, so that a mistake in its parameters is found now.
pub fn parse(file: &str, text: &str) -> Result<Rule, RuleError> {
    let error = |line, column, message: String| RuleError {
        file: file.to_owned(),
        line,
        column,
        message,
    };
    let rule: Rule = serde_yaml::from_str(text).map_err(|e| {
        let at = e.location();
        error(
            at.as_ref().map(|l| l.line()),
            at.as_ref().map(|l| l.column()),
            with_hint(&e.to_string()),
        )
    })?;
    let stem = Path::new(file)
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    if rule.id != stem {
        return Err(error(
            line_of(text, "id:"),
            None,
            format!("the id `{}` is not the file's name `{stem}`", rule.id),
        ));
    }
    rule.check(&[]).map_err(|message| {
        error(
            line_of(text, "check:").or(line_of(text, "with:")),
            None,
            message,
        )
    })?;
    Ok(rule)
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines().position(|l| l.starts_with(key)).map(|n| n + 1)
}

/// serde names the unknown field and the known ones; the nearest of them is what was meant.
pub(crate) fn with_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (Some(wrong), known) = (quoted.next(), quoted.collect::<Vec<_>>()) else {
        return message.to_owned();
    };
    match nearest(wrong, &known) {
        Some(meant) if message.contains("unknown") => format!("{message}; did you mean `{meant}`?"),
        _ => message.to_owned(),
    }
}

/// All rules of a directory, by file name. Every mistake of every file is told.
pub fn directory(dir: &Path) -> Result<Vec<Rule>, Vec<RuleError>> {
    let fail = |e: std::io::Error| {
        vec![RuleError {
            file: dir.display().to_string(),
            line: None,
            column: None,
            message: e.to_string(),
        }]
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(fail)?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .filter(|p| p.file_stem().is_some_and(|s| s != "critical-points"))
        .collect();
    files.sort();
    let mut rules = Vec::new();
    let mut errors = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match std::fs::read_to_string(&file) {
            Ok(text) => match parse(&name, &text) {
                Ok(rule) => rules.push(rule),
                Err(e) => errors.push(e),
            },
            Err(e) => errors.push(RuleError {
                file: name,
                line: None,
                column: None,
                message: e.to_string(),
            }),
        }
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id: x\ntitle: t\nstage: unit\ncritical_point: unit-enabled\nseverity: error\nwhy: w\nsymptom: s\nfix: {image: a, isar: b}\nsince: 0.1.0\ncheck: unit-enabled\nwith: {aspect: not-masked}\n";

    #[test]
    fn mistakes_have_a_place_and_a_hint() {
        assert!(parse("dir/x.yaml", GOOD).is_ok());
        let wrong = parse("x.yaml", &GOOD.replace("symptom:", "symptoms:")).unwrap_err();
        assert!(wrong.message.contains("did you mean `symptom`?"), "{wrong}");
        assert!(wrong.line.is_some());
        let wrong = parse(
            "x.yaml",
            &GOOD.replace("check: unit-enabled", "check: unit-enabeld"),
        )
        .unwrap_err();
        assert!(
            wrong.to_string().starts_with(
                "x.yaml:10: there is no check `unit-enabeld`, did you mean `unit-enabled`?"
            ),
            "{wrong}"
        );
        assert!(
            parse("y.yaml", GOOD)
                .unwrap_err()
                .message
                .contains("file's name")
        );
        assert!(
            parse("x.yaml", &GOOD.replace("aspect", "aspekt"))
                .unwrap_err()
                .message
                .contains("aspekt")
        );
    }
}
