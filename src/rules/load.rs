//! Reads rule files and directories of them; mistakes are told with file, line and column.

use super::{Rule, nearest};
use crate::checks::registry::{self, CHECKS};
use crate::config::place::{self, Step};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A rule is a page of text.
const MAX_SIZE: u64 = 1 << 20;

/// A mistake in a rule file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", at(.line, .column))]
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

fn at(line: &Option<usize>, column: &Option<usize>) -> String {
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
    let wrong = |path: &[Step], message: String| {
        let at = place::place(text, path);
        error(
            at.map(|(line, _)| line),
            at.map(|(_, column)| column),
            message,
        )
    };
    let key = |name: &str| Step::Key(name.to_owned());
    if rule.id != stem {
        let message = format!("the id `{}` is not the file's name `{stem}`", rule.id);
        return Err(wrong(&[key("id")], message));
    }
    rule.check(&[]).map_err(|message| {
        let message = with_hint(&message);
        if !CHECKS.iter().any(|c| c.name == rule.check) {
            return wrong(&[key("check")], message);
        }
        // serde quotes the parameter, or the value, that is wrong.
        let quoted = message.split('`').nth(1).unwrap_or_default();
        let names = [key("with"), Step::Name(quoted.to_owned())];
        if message.contains("unknown field") {
            return wrong(&names, message);
        }
        match culprit(&rule, &message) {
            Some(parameter) => wrong(&[key("with"), key(&parameter)], message),
            None if rule.with.is_null() => wrong(&[key("check")], message),
            None => wrong(&[Step::Name("with".into())], message),
        }
    })?;
    Ok(rule)
}

/// The parameter whose value is wrong: without it the mistake is another.
fn culprit(rule: &Rule, message: &str) -> Option<String> {
    let parameters = rule.with.as_mapping()?;
    if message.contains("missing field") {
        return None;
    }
    let names = parameters.keys().filter_map(|k| k.as_str());
    names.map(str::to_owned).find(|name| {
        let mut without = parameters.clone();
        without.shift_remove(name.as_str());
        let made = registry::make(&rule.check, serde_yaml::Value::Mapping(without));
        made.err().map(|e| with_hint(&e)).as_deref() != Some(message)
    })
}

/// serde names the unknown field and the known ones; the nearest of them is what was meant.
pub(crate) fn with_hint(message: &str) -> String {
    // The place is told in front.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text);
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (Some(wrong), known) = (quoted.next(), quoted.collect::<Vec<_>>()) else {
        return message.to_owned();
    };
    match nearest(wrong, &known) {
        Some(meant) if message.contains("unknown") => format!("{message}; did you mean `{meant}`?"),
        _ => message.to_owned(),
    }
}

/// One rule file.
pub fn file(path: &Path) -> Result<Rule, RuleError> {
    let name = path.display().to_string();
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(MAX_SIZE).read_to_string(&mut text));
    match read {
        Ok(_) => parse(&name, &text),
        Err(e) => Err(RuleError {
            file: name,
            line: None,
            column: None,
            message: e.to_string(),
        }),
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
        match self::file(&file) {
            Ok(rule) => rules.push(rule),
            Err(e) => errors.push(e),
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
                "x.yaml:10:8: there is no check `unit-enabeld`, did you mean `unit-enabled`?"
            ),
            "{wrong}"
        );
        assert!(
            parse("y.yaml", GOOD)
                .unwrap_err()
                .message
                .contains("file's name")
        );
        let told = |from: &str, to: &str| {
            let wrong = parse("x.yaml", &GOOD.replace(from, to)).unwrap_err();
            wrong.to_string()
        };
        let parameter = told("aspect", "aspekt");
        assert!(
            parameter.starts_with("x.yaml:11:8: unknown field `aspekt`")
                && parameter.ends_with("did you mean `aspect`?"),
            "{parameter}"
        );
        let value = told("not-masked", "not-maskd");
        assert!(
            value.starts_with("x.yaml:11:16: ") && value.ends_with("did you mean `not-masked`?"),
            "{value}"
        );
        let missing = told("{aspect: not-masked}", "{}");
        assert!(
            missing.starts_with("x.yaml:11:1: missing field"),
            "{missing}"
        );
        assert!(told("id: x", "id: y").starts_with("x.yaml:1:5: "));
    }
}
