//! What the command line and the configuration together ask for.

use super::inspect::all_rules;
use super::output::Failure;
use crate::checks::run::Selection;
use crate::checks::silence::{Silencer, expired, fits_image};
use crate::config::date::Date;
use crate::config::{FailOn, Loaded, Suppression};
use crate::report::Inspection;
use crate::rules::{Rule, nearest};
use std::path::{Path, PathBuf};

/// What the command line asks for. Commands without an option for something leave it at its default.
#[derive(Debug, Default)]
pub struct Asked {
    /// `--profile`
    pub profile: Option<String>,
    /// `--rules`
    pub rules: Vec<PathBuf>,
    /// `--select`
    pub select: Vec<String>,
    /// `--ignore`
    pub ignore: Vec<String>,
    /// `--pedantic`
    pub pedantic: bool,
    /// `--fail-on`
    pub fail_on: Option<FailOn>,
}

/// How images are judged. Options win over the configuration.
pub struct Policy {
    /// Name or file of the profile.
    pub profile: String,
    /// The built-in rules and the team's own.
    pub rules: Vec<Rule>,
    /// Which of them are told, and how severe they are.
    pub selection: Selection,
    /// From which severity on findings make the exit code 1.
    pub fail_on: FailOn,
    suppressions: Vec<Suppression>,
    dir: PathBuf,
    today: Date,
}

impl Policy {
    /// Of the command line and the configuration.
    pub fn new(asked: &Asked, loaded: Option<&Loaded>) -> Result<Policy, Failure> {
        let rule_dirs = loaded.map(Loaded::rule_dirs).unwrap_or_default();
        let rules = all_rules(&[rule_dirs, asked.rules.clone()].concat())?;
        let config = loaded.map(|l| &l.config);
        let fail_on = asked.fail_on.or(config.and_then(|c| c.fail_on));
        let fail_on = fail_on.unwrap_or(FailOn::Error);
        let profile = asked.profile.clone().or_else(|| loaded?.profile());
        Ok(Policy {
            profile: profile.unwrap_or_else(|| "nixos-test".into()),
            selection: selection(asked, config, &rules, fail_on)?,
            rules,
            fail_on,
            suppressions: config.map(|c| c.suppressions.clone()).unwrap_or_default(),
            dir: loaded.map(|l| l.dir.clone()).unwrap_or_default(),
            today: Date::today(),
        })
    }

    /// The suppressions that hold for an image.
    pub fn silencer(&self, image: &Path) -> Silencer {
        Silencer::for_image(&self.suppressions, image, &self.dir, self.today)
    }

    /// Notes with each image the suppressions meant for it that have expired, and those that silenced nothing in any image
    /// although their rule could be judged.
    pub fn audit(&self, inspections: &mut [Inspection]) {
        for (index, suppression) in self.suppressions.iter().enumerate() {
            let late = expired(suppression, self.today);
            let used = inspections.iter().any(|i| {
                let judged = i.outcome.as_ref().ok();
                judged.is_some_and(|j| j.judgement.suppressed.iter().any(|s| s.index == index))
            });
            if used {
                continue;
            }
            let Some(rule) = self.rules.iter().find(|r| r.id == suppression.rule) else {
                continue;
            };
            for inspection in inspections.iter_mut() {
                let fits = fits_image(suppression, Path::new(&inspection.path), &self.dir);
                let Ok(judged) = &mut inspection.outcome else {
                    continue;
                };
                let untold = judged.judgement.untold.iter().any(|u| u.rule == rule.id);
                if !fits {
                    continue;
                }
                if late {
                    judged.judgement.expired.push(suppression.clone());
                } else if !untold && self.selection.tells(rule, &judged.facts) {
                    judged.judgement.unused.push(suppression.clone());
                }
            }
        }
    }
}

fn selection(
    args: &Asked,
    config: Option<&crate::config::Config>,
    rules: &[Rule],
    fail_on: FailOn,
) -> Result<Selection, Failure> {
    let known: Vec<&str> = rules.iter().map(|r| r.id.as_str()).collect();
    for wanted in args.select.iter().chain(&args.ignore) {
        if !known.contains(&wanted.as_str()) {
            let hint = nearest(wanted, &known)
                .map(|n| format!("; did you mean `{n}`?"))
                .unwrap_or_default();
            return Err(Failure::usage(format!("there is no rule `{wanted}`{hint}")));
        }
    }
    let mut selection = Selection {
        pedantic: args.pedantic || fail_on == FailOn::Pedantic,
        select: args.select.clone(),
        ignore: args.ignore.clone(),
        ..Selection::default()
    };
    for (rule, level) in config.into_iter().flat_map(|c| &c.severities) {
        match level.severity() {
            Some(severity) => {
                selection.severities.insert(rule.clone(), severity);
            }
            // Who selects a rule by name wants it told.
            None if args.select.contains(rule) => {}
            None => selection.ignore.push(rule.clone()),
        }
    }
    Ok(selection)
}
