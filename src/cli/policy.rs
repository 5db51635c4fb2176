//! What the command line and the configuration together ask for.

use super::InspectArgs;
use crate::checks::run::Selection;
use crate::checks::silence::{Silencer, expired, fits_image};
use crate::cli::output::Failure;
use crate::config::date::Date;
use crate::config::{FailOn, Loaded, Suppression};
use crate::report::Inspection;
use crate::rules::{Rule, nearest};
use std::path::{Path, PathBuf};

/// How images are judged. Options win over the configuration.
pub(super) struct Policy {
    pub(super) profile: String,
    pub(super) rules: Vec<Rule>,
    pub(super) selection: Selection,
    pub(super) fail_on: FailOn,
    pub(super) images: Vec<PathBuf>,
    suppressions: Vec<Suppression>,
    dir: PathBuf,
    today: Date,
}

impl Policy {
    pub(super) fn new(args: &InspectArgs, loaded: Option<Loaded>) -> Result<Policy, Failure> {
        let rule_dirs = loaded.as_ref().map(Loaded::rule_dirs).unwrap_or_default();
        let rules = super::all_rules(&[rule_dirs, args.rules.clone()].concat())?;
        let config = loaded.as_ref().map(|l| &l.config);
        let fail_on = args.fail_on.or(config.and_then(|c| c.fail_on));
        let fail_on = fail_on.unwrap_or(FailOn::Error);
        let images = match (&args.images[..], &loaded) {
            ([], Some(loaded)) if !loaded.config.images.is_empty() => loaded.images(),
            ([], _) => {
                return Err(Failure::usage(
                    "no image given; name one, or put `images:` into .isar-doctor.yaml",
                ));
            }
            (given, _) => given.to_vec(),
        };
        Ok(Policy {
            profile: args
                .profile
                .clone()
                .or_else(|| loaded.as_ref()?.profile())
                .unwrap_or_else(|| "nixos-test".into()),
            selection: selection(args, config, &rules, fail_on)?,
            rules,
            fail_on,
            images,
            suppressions: config.map(|c| c.suppressions.clone()).unwrap_or_default(),
            dir: loaded.map(|l| l.dir).unwrap_or_default(),
            today: Date::today(),
        })
    }

    /// The suppressions that hold for an image.
    pub(super) fn silencer(&self, image: &Path) -> Silencer {
        Silencer::for_image(&self.suppressions, image, &self.dir, self.today)
    }

    /// Notes with each image the suppressions meant for it that have expired, and those that silenced nothing in any image
    /// although their rule could be judged.
    pub(super) fn audit(&self, inspections: &mut [Inspection]) {
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
    args: &InspectArgs,
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
