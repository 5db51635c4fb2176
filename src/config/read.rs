//! Reads the text strictly: every mistake is told, not only the first, each with its place and what was probably meant.

use super::model::Config;
use super::place::{Step, place};
use super::{Mistake, semantic};
use crate::rules::load::with_hint;
use crate::rules::nearest;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};
use std::path::Path;

/// Collects mistakes while the document is walked.
pub(super) struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    pub(super) mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// Notes a mistake at a place of the document.
    pub(super) fn wrong(&mut self, path: &[Step], message: impl Into<String>) {
        let at = place(self.text, path);
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            message: message.into(),
        });
    }

    /// A word that must be one of the known ones.
    pub(super) fn known(&mut self, path: &[Step], what: &str, word: &str, known: &[&str]) {
        if known.contains(&word) {
            return;
        }
        let hint = nearest(word, known)
            .map(|n| format!("; did you mean `{n}`?"))
            .unwrap_or_default();
        self.wrong(path, format!("there is no {what} `{word}`{hint}"));
    }

    /// A mapping as a type all of whose fields have defaults. Each field is tried alone, so one mistake does not hide another.
    fn fields<T>(&mut self, value: &Value, path: &[Step]) -> T
    where
        T: DeserializeOwned + Default + JsonSchema,
    {
        let keys = keys::<T>();
        let known: Vec<&str> = keys.iter().map(String::as_str).collect();
        let map = match value {
            Value::Mapping(map) => map,
            Value::Null => return T::default(),
            _ => {
                let keys = known.join(", ");
                self.wrong(path, format!("this must be a mapping with the keys {keys}"));
                return T::default();
            }
        };
        let mut good = Mapping::new();
        for (key, value) in map {
            let Some(name) = key.as_str() else {
                self.wrong(path, "every key must be a word");
                continue;
            };
            if !known.contains(&name) {
                let hint = nearest(name, &known)
                    .map(|n| format!("; did you mean `{n}`?"))
                    .unwrap_or_else(|| format!(" (known: {})", known.join(", ")));
                let at = [path, &[Step::Name(name.to_owned())]].concat();
                self.wrong(&at, format!("unknown key `{name}`{hint}"));
                continue;
            }
            let mut alone = Mapping::new();
            alone.insert(key.clone(), value.clone());
            match serde_yaml::from_value::<T>(Value::Mapping(alone)) {
                Ok(_) => {
                    good.insert(key.clone(), value.clone());
                }
                Err(e) => {
                    let at = [path, &[Step::Key(name.to_owned())]].concat();
                    self.wrong(&at, format!("`{name}`: {}", with_hint(&e.to_string())));
                }
            }
        }
        serde_yaml::from_value(Value::Mapping(good)).unwrap_or_default()
    }

    /// The whole document. The parts with an inside of their own are walked by themselves.
    fn config(&mut self, document: Value) -> Config {
        let Value::Mapping(mut map) = document else {
            return self.fields(&document, &[]);
        };
        let severities = map.shift_remove("severities");
        let suppressions = map.shift_remove("suppressions");
        let boot = map.shift_remove("boot");
        let mut config: Config = self.fields(&Value::Mapping(map), &[]);
        let key = |k: &str| Step::Key(k.to_owned());
        if let Some(value) = boot {
            config.boot = self.fields(&value, &[key("boot")]);
        }
        match suppressions {
            None | Some(Value::Null) => {}
            Some(Value::Sequence(items)) => {
                for (n, item) in items.iter().enumerate() {
                    let at = [key("suppressions"), Step::Item(n)];
                    config.suppressions.push(self.fields(item, &at));
                }
            }
            Some(_) => self.wrong(
                &[key("suppressions")],
                "`suppressions` must be a list; start each entry with `- rule:`",
            ),
        }
        match severities {
            None | Some(Value::Null) => {}
            Some(Value::Mapping(map)) => {
                for (rule, level) in map {
                    let Some(rule) = rule.as_str() else {
                        self.wrong(&[key("severities")], "every key must be a rule id");
                        continue;
                    };
                    let at = [key("severities"), key(rule)];
                    if !level.is_string() {
                        self.wrong(&at, "a severity must be error, warning, pedantic or off");
                        continue;
                    }
                    match serde_yaml::from_value(level) {
                        Ok(level) => {
                            config.severities.insert(rule.to_owned(), level);
                        }
                        Err(e) => {
                            self.wrong(&at, with_hint(&e.to_string()));
                        }
                    }
                }
            }
            Some(_) => self.wrong(
                &[key("severities")],
                "`severities` must be a mapping, e.g. `loader-unsigned: off`",
            ),
        }
        config
    }
}

/// The keys of a type, as its schema has them.
fn keys<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T);
    let properties = schema.get("properties").and_then(|p| p.as_object());
    properties
        .map(|p| p.keys().cloned().collect())
        .unwrap_or_default()
}

/// Reads a configuration; `dir` is what its paths are relative to.
pub fn read(file: &str, dir: &Path, text: &str) -> Result<Config, Vec<Mistake>> {
    let mut reader = Reader {
        file,
        text,
        mistakes: Vec::new(),
    };
    let document: Value = match serde_yaml::from_str(text) {
        Ok(document) => document,
        Err(e) => {
            let at = e.location();
            return Err(vec![Mistake {
                file: file.to_owned(),
                line: at.as_ref().map(|l| l.line()),
                column: at.as_ref().map(|l| l.column()),
                message: with_hint(&e.to_string()),
            }]);
        }
    };
    let config = reader.config(document);
    semantic::check(&mut reader, dir, &config);
    let mut mistakes = reader.mistakes;
    if mistakes.is_empty() {
        return Ok(config);
    }
    mistakes.sort_by_key(|m| (m.file != file, m.line, m.column));
    Err(mistakes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{FailOn, Level};

    fn told(text: &str) -> Vec<String> {
        let mistakes = read("c.yaml", Path::new("."), text).unwrap_err();
        mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_whole_file_is_read() {
        let config = read(
            "c.yaml",
            Path::new("."),
            "profile: production\nimages: ['build/*.wic']\nseverities: {loader-unsigned: off}\nfail-on: warning\n\
             boot: {memory: 2048, timeout: 90, accel: tcg, quiet-after: 2.5}\n\
             suppressions:\n  - {rule: loader-unsigned, reason: later, expires: 2030-01-31, location: 'p1:*'}\n",
        )
        .unwrap();
        assert_eq!(config.severities["loader-unsigned"], Level::Off);
        assert_eq!(config.fail_on, Some(FailOn::Warning));
        assert_eq!(config.boot.timeout, Some(90.0));
        assert_eq!(
            config.suppressions[0].expires.unwrap().to_string(),
            "2030-01-31"
        );
        assert_eq!(read("c.yaml", Path::new("."), ""), Ok(Config::default()));
    }

    #[test]
    fn every_mistake_is_told_with_its_place_and_a_hint() {
        let text = "profil: login\nboot:\n  memroy: 1\n  smp: 0\n  accel: tgc\nseverities:\n  loader-unsinged: off\n  esp-type-wrong: eror\nsuppressions:\n  - rule: loader-unsigned\n    reasn: x\n  - rule: loader-unsigned\n    reason: x\n    expires: 2023-02-30\nfail-on: waring\n";
        insta::assert_snapshot!(told(text).join("\n"), @r"
        c.yaml:1:1: unknown key `profil`; did you mean `profile`?
        c.yaml:3:3: unknown key `memroy`; did you mean `memory`?
        c.yaml:4:8: `smp` must be between 1 and 256
        c.yaml:5:10: `accel`: unknown variant `tgc`, expected one of `auto`, `kvm`, `tcg`
        c.yaml:7:3: there is no rule `loader-unsinged`; did you mean `loader-unsigned`?
        c.yaml:8:19: unknown variant `eror`, expected one of `error`, `warning`, `pedantic`, `off`; did you mean `error`?
        c.yaml:10:5: a suppression needs `reason:`, so that others know why the finding is accepted
        c.yaml:11:5: unknown key `reasn`; did you mean `reason`?
        c.yaml:14:14: `expires`: `2023-02-30` is not a day of the calendar
        c.yaml:15:10: `fail-on`: unknown variant `waring`, expected one of `error`, `warning`, `pedantic`, `never`; did you mean `warning`?
        ");
    }

    #[test]
    fn what_is_no_mapping_or_no_yaml_is_told() {
        let first = |text: &str| told(text)[0].clone();
        assert!(first("- a\n").starts_with("c.yaml:1:1: this must be a mapping with the keys"));
        assert!(first("a: b\nprofile: [\n").starts_with("c.yaml:3:1: "));
        assert!(first("profile: login\nprofile: login\n").contains("duplicate entry"));
        let told = told("suppressions: {rule: x}\nseverities: [a]\nboot: 3\n");
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("must be a list"), "{told:?}");
        assert!(
            told[1].contains("`severities` must be a mapping"),
            "{told:?}"
        );
        assert!(told[2].contains("keys memory, smp"), "{told:?}");
    }
}
