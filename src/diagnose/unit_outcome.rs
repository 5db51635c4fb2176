//! What became of a unit, from the words of its systemd: kernel log, journal, console.

use super::patterns::text_of;
use crate::boot::timeline::{Event, Observation, Source};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Outcome of a unit's start job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// A condition was false when the job ran: skipped for good.
    Skipped {
        /// `ConditionPathExists=/dev/hvc0`; empty when systemd did not name it.
        condition: String,
    },
    /// An `Assert…=` was false: failed.
    AssertFailed {
        /// The assertion.
        assertion: String,
    },
    /// A required unit failed or timed out.
    DependencyFailed {
        /// The unit that failed first, when it was named.
        dependency: Option<String>,
    },
    /// Masked.
    Masked,
    /// systemd refuses the unit file.
    BadSetting {
        /// systemd's words.
        reason: String,
    },
    /// The unit file is not there.
    NotFound,
    /// The program could not be executed (`status=203/EXEC`).
    ExecFailed {
        /// `No such file or directory`, `Permission denied`, `Exec format error`; empty when not told.
        reason: String,
    },
    /// Its standard input or output could not be set up (208/STDIN, 209/STDOUT, 226/NAMESPACE, …).
    SetupFailed {
        /// `208/STDIN`.
        status: String,
    },
    /// It started and ended with an error.
    Failed {
        /// `1/FAILURE`, `127`, a signal.
        status: String,
        /// systemd gave up restarting it.
        start_limit: bool,
    },
    /// Stopped by another unit's start (`Conflicts=`), or killed.
    Stopped {
        /// systemd's words.
        by: String,
    },
    /// Its start job was deleted to break an ordering cycle.
    DeletedFromCycle,
    /// Its job waits: for the unit named.
    Waiting {
        /// The job systemd said it was waiting for.
        on: String,
    },
    /// It was started and nothing bad was heard of it.
    Started,
    /// No log has a word about it.
    NeverMentioned,
}

/// The outcome with the line that says so.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitOutcome {
    /// What became of it.
    pub outcome: Outcome,
    /// Index in the timeline of the line that says so.
    pub index: Option<usize>,
    /// Guest time of that line in seconds, when the channel tells.
    pub guest: Option<f64>,
}

struct Rules {
    skipped: Regex,
    skipped_old: Regex,
    assertion: Regex,
    exec_reason: Regex,
    status: Regex,
    dependency: Regex,
    timed_out: Regex,
    waiting: Regex,
}

static RULES: LazyLock<Option<Rules>> = LazyLock::new(|| {
    // Literals; a test uses each of them.
    let re = |text: &str| Regex::new(text).ok();
    Some(Rules {
        skipped: re(
            r"was skipped because (?:of an unmet condition check|no trigger condition checks were met|all trigger condition checks failed)(?: \((\S+?)\))?",
        )?,
        skipped_old: re(r"^(?:systemd\[1\]: )?Condition check resulted in (.+) being skipped")?,
        assertion: re(
            r"Starting requested but asserts failed|[Aa]ssertion failed(?: for .*)?(?: \((\S+?)\))?",
        )?,
        exec_reason: re(
            r"Failed (?:to execute|at step EXEC spawning|to locate executable) [^:]*: (.+)$|Unable to locate executable '[^']*': (.+)$",
        )?,
        status: re(r"(?:code=(?:exited|killed|dumped), )?status=(\d+)(?:/([A-Z_]+))?")?,
        dependency: re(
            r"Dependency failed for (.+?)\.?$|Job (\S+?)/start failed with result 'dependency'",
        )?,
        timed_out: re(
            r"Timed out waiting for device (\S+?)(?: - .*)?\.?$|Job (\S+\.device)/start (?:timed out|failed with result 'timeout')",
        )?,
        waiting: re(
            r"A start job is running for (.+?)(?: \(\d.*)?$|Expecting device (\S+?)(?: - .*)?(?:\.\.\.)?$",
        )?,
    })
});

/// Names under which logs speak of a unit: its name, its name without suffix, its `Description=`.
#[derive(Debug, Clone, Default)]
pub struct UnitNames {
    /// `nixos-test-backdoor.service`
    pub name: String,
    /// `Description=`; systemd uses it alone in older messages.
    pub description: Option<String>,
}

impl UnitNames {
    fn in_text(&self, text: &str) -> bool {
        contains_word(text, &self.name)
            || self
                .description
                .as_deref()
                .is_some_and(|d| d.len() > 5 && text.contains(d))
    }
}

fn contains_word(text: &str, word: &str) -> bool {
    let boundary =
        |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || "-_@\\".contains(c)));
    text.match_indices(word).any(|(at, _)| {
        boundary(text[..at].chars().next_back()) && boundary(text[at + word.len()..].chars().next())
    })
}

/// Finds the outcome of a unit. A later, more telling line replaces an earlier one: a unit that was
/// started and then failed has failed.
pub fn outcome(timeline: &[Observation], unit: &UnitNames) -> UnitOutcome {
    let mut best = UnitOutcome {
        outcome: Outcome::NeverMentioned,
        index: None,
        guest: None,
    };
    let Some(rules) = RULES.as_ref() else {
        return best;
    };
    let mut last_failed_dependency: Option<String> = None;
    let mut exec_reason = String::new();
    for (index, observation) in timeline.iter().enumerate() {
        let Some(text) = log_text(observation) else {
            continue;
        };
        if let Some(c) = rules.timed_out.captures(text) {
            last_failed_dependency = group(&c, &[1, 2]);
        }
        let by_journal =
            matches!(&observation.event, Event::Journal { unit: Some(u), .. } if *u == unit.name);
        if !by_journal && !unit.in_text(text) {
            continue;
        }
        if let Some(c) = rules.exec_reason.captures(text) {
            exec_reason = group(&c, &[1, 2]).unwrap_or_default();
        }
        if let Some(found) = classify(rules, text, &exec_reason, &last_failed_dependency)
            && rank(&found) >= rank(&best.outcome)
        {
            best = UnitOutcome {
                outcome: found,
                index: Some(index),
                guest: guest_time(&observation.event),
            };
        }
    }
    best
}

fn log_text(observation: &Observation) -> Option<&str> {
    match observation.source {
        Source::KernelLog | Source::Journal | Source::Serial | Source::Shell => {
            text_of(&observation.event)
        }
        _ => None,
    }
}

/// Guest seconds of a log line.
pub fn guest_time(event: &Event) -> Option<f64> {
    match event {
        Event::KernelLog { guest, .. } => Some(*guest),
        Event::Journal { guest, .. } => *guest,
        _ => None,
    }
}

fn group(captures: &regex::Captures<'_>, groups: &[usize]) -> Option<String> {
    groups
        .iter()
        .find_map(|g| captures.get(*g))
        .map(|m| m.as_str().to_owned())
}

/// How much an outcome says, so that `Started` does not hide a later failure, nor a `start-limit` the status before it.
fn rank(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::NeverMentioned => 0,
        Outcome::Waiting { .. } => 1,
        Outcome::Started => 2,
        Outcome::Stopped { .. } => 3,
        Outcome::Failed { status, .. } if status.is_empty() => 3,
        Outcome::Failed { .. } => 4,
        Outcome::NotFound | Outcome::Masked | Outcome::BadSetting { .. } => 5,
        _ => 6,
    }
}

fn classify(
    rules: &Rules,
    text: &str,
    exec_reason: &str,
    failed_dependency: &Option<String>,
) -> Option<Outcome> {
    if let Some(c) = rules.skipped.captures(text) {
        return Some(Outcome::Skipped {
            condition: group(&c, &[1]).unwrap_or_default(),
        });
    }
    if rules.skipped_old.is_match(text) {
        return Some(Outcome::Skipped {
            condition: String::new(),
        });
    }
    if let Some(c) = rules.assertion.captures(text) {
        return Some(Outcome::AssertFailed {
            assertion: group(&c, &[1]).unwrap_or_default(),
        });
    }
    if rules.dependency.is_match(text) {
        return Some(Outcome::DependencyFailed {
            dependency: failed_dependency.clone(),
        });
    }
    if text.contains("deleted to break ordering cycle") {
        return Some(Outcome::DeletedFromCycle);
    }
    if text.contains("is masked") {
        return Some(Outcome::Masked);
    }
    if text.contains("bad unit file setting")
        || text.contains("bad-setting")
        || text.contains("Refusing.")
    {
        return Some(Outcome::BadSetting {
            reason: text.to_owned(),
        });
    }
    if text.contains("not found")
        && (text.contains("Unit ") || text.contains("Failed to load unit"))
    {
        return Some(Outcome::NotFound);
    }
    if text.contains("Failed at step EXEC")
        || text.contains("Failed to execute")
        || text.contains("203/EXEC")
        || text.contains("Failed to locate executable")
    {
        return Some(Outcome::ExecFailed {
            reason: exec_reason.to_owned(),
        });
    }
    if let Some(c) = rules.status.captures(text) {
        let code: u32 = c.get(1)?.as_str().parse().ok()?;
        let name = c.get(2).map_or("", |m| m.as_str());
        let status = if name.is_empty() {
            code.to_string()
        } else {
            format!("{code}/{name}")
        };
        return match code {
            203 => Some(Outcome::ExecFailed {
                reason: exec_reason.to_owned(),
            }),
            // systemd.exec(5), "Process Exit Codes": 200–245 are set by systemd before the program runs.
            200..=245 => Some(Outcome::SetupFailed { status }),
            0 => None,
            _ => Some(Outcome::Failed {
                status,
                start_limit: false,
            }),
        };
    }
    if text.contains("Start request repeated too quickly") || text.contains("start-limit-hit") {
        return Some(Outcome::Failed {
            status: String::new(),
            start_limit: true,
        });
    }
    if let Some(c) = rules.waiting.captures(text) {
        return Some(Outcome::Waiting {
            on: group(&c, &[1, 2]).unwrap_or_default(),
        });
    }
    if text.contains("Stopping ") || text.contains("Stopped ") {
        return Some(Outcome::Stopped {
            by: text.to_owned(),
        });
    }
    if text.contains("Started ") || text.contains("Starting ") {
        return Some(Outcome::Started);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> UnitNames {
        UnitNames {
            name: "lab-shell.service".into(),
            description: Some("Lab test shell".into()),
        }
    }

    fn of(lines: &[&str]) -> Outcome {
        let timeline: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(i, text)| Observation {
                t: i as f64,
                source: Source::KernelLog,
                event: Event::KernelLog {
                    guest: i as f64,
                    level: 6,
                    text: (*text).into(),
                },
            })
            .collect();
        outcome(&timeline, &names()).outcome
    }

    #[test]
    fn skipped_in_old_and_new_words() {
        let condition = "ConditionPathExists=/dev/hvc0".to_owned();
        assert_eq!(
            of(&[
                "systemd[1]: lab-shell.service - Lab test shell was skipped because of an unmet condition check (ConditionPathExists=/dev/hvc0)."
            ]),
            Outcome::Skipped { condition }
        );
        assert_eq!(
            of(&["systemd[1]: Condition check resulted in Lab test shell being skipped."]),
            Outcome::Skipped {
                condition: String::new()
            }
        );
    }

    #[test]
    fn other_units_are_not_ours() {
        assert_eq!(
            of(&[
                "systemd[1]: my-lab-shell.service - Other was skipped because of an unmet condition check (ConditionPathExists=/x)."
            ]),
            Outcome::NeverMentioned
        );
    }

    #[test]
    fn a_dependency_names_the_device_that_timed_out() {
        assert_eq!(
            of(&[
                "systemd[1]: dev-ttyS5.device: Job dev-ttyS5.device/start timed out.",
                "systemd[1]: Timed out waiting for device dev-ttyS5.device - /dev/ttyS5.",
                "systemd[1]: Dependency failed for lab-shell.service - Lab test shell.",
            ]),
            Outcome::DependencyFailed {
                dependency: Some("dev-ttyS5.device".into())
            }
        );
    }

    #[test]
    fn a_failed_exec_keeps_its_reason_through_the_start_limit() {
        assert_eq!(
            of(&[
                "systemd[1]: Started lab-shell.service - Lab test shell.",
                "lab-shell.service: Failed to execute /usr/lib/lab/shell: No such file or directory",
                "lab-shell.service: Main process exited, code=exited, status=203/EXEC",
                "lab-shell.service: Start request repeated too quickly.",
            ]),
            Outcome::ExecFailed {
                reason: "No such file or directory".into()
            }
        );
    }

    #[test]
    fn exit_codes_of_systemd_and_of_the_program_are_told_apart() {
        assert_eq!(
            of(&["lab-shell.service: Main process exited, code=exited, status=208/STDIN"]),
            Outcome::SetupFailed {
                status: "208/STDIN".into()
            }
        );
        assert_eq!(
            of(&[
                "lab-shell.service: Main process exited, code=exited, status=1/FAILURE",
                "Stopped lab-shell.service - Lab test shell."
            ]),
            Outcome::Failed {
                status: "1/FAILURE".into(),
                start_limit: false
            }
        );
    }

    #[test]
    fn the_rest() {
        assert_eq!(
            of(&["Started lab-shell.service - Lab test shell."]),
            Outcome::Started
        );
        assert_eq!(
            of(&["systemd[1]: Unit lab-shell.service is masked, ignoring."]),
            Outcome::Masked
        );
        assert_eq!(
            of(&[
                "Job lab-shell.service/start deleted to break ordering cycle starting with basic.target/start"
            ]),
            Outcome::DeletedFromCycle
        );
        assert_eq!(of(&[]), Outcome::NeverMentioned);
    }
}
