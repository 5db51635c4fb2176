//! Conditions and assertions of the backdoor unit that cannot be true in this image on the test machine.

mod paths;
mod system;

use super::{Answer, Check, Confidence, Context, Violation};
use crate::inspect::systemd::Setting;
use crate::or_answer;
use serde::Deserialize;

/// Which conditions are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Those about paths below `/dev`.
    DevicePaths,
    /// All others.
    Others,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitConditions {
    /// Which conditions.
    pub which: Which,
    /// Device names (without `/dev/`) that the machine has besides those of the test driver.
    #[serde(default)]
    pub devices: Vec<String>,
}

/// Truth of a condition on the test machine.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Truth {
    True,
    False(String, Confidence),
    Unknown,
}

/// One condition or assertion (systemd.unit(5), "Conditions and Asserts").
struct Condition<'a> {
    setting: &'a Setting,
    assertion: bool,
    /// `PathExists`, `Virtualization`, …
    kind: &'a str,
    /// `|`: of all triggering ones, one is enough.
    trigger: bool,
    negated: bool,
    value: &'a str,
}

impl<'a> Condition<'a> {
    fn of(setting: &'a Setting) -> Option<Condition<'a>> {
        if setting.section != "Unit" || setting.value.is_empty() {
            return None;
        }
        let (assertion, kind) = match setting.key.strip_prefix("Condition") {
            Some(kind) => (false, kind),
            None => (true, setting.key.strip_prefix("Assert")?),
        };
        let value = setting.value.as_str();
        let trigger = value.starts_with('|');
        let value = value.trim_start_matches('|').trim_start();
        let negated = value.starts_with('!');
        Some(Condition {
            setting,
            assertion,
            kind,
            trigger,
            negated,
            value: value.trim_start_matches('!').trim(),
        })
    }

    fn is_path(&self) -> bool {
        paths::KINDS.contains(&self.kind)
    }

    fn is_device_path(&self) -> bool {
        self.is_path() && self.value.starts_with("/dev/")
    }
}

impl Check for UnitConditions {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let unit = or_answer!(cx.loaded_unit());
        let conditions: Vec<Condition<'_>> =
            unit.settings.iter().filter_map(Condition::of).collect();
        let mut violations = Vec::new();
        let mut unknown = None;
        let mut judged = false;
        for condition in conditions
            .iter()
            .filter(|c| (self.which == Which::DevicePaths) == c.is_device_path())
        {
            judged = true;
            // A triggering condition is false for good only when all of them are.
            let others = || {
                conditions
                    .iter()
                    .filter(|c| c.trigger && c.assertion == condition.assertion)
            };
            let hopeless = |c: &Condition<'_>| matches!(self.truth(cx, c), Truth::False(..));
            match self.truth(cx, condition) {
                Truth::False(why, confidence) if !condition.trigger || others().all(hopeless) => {
                    violations.push(violation(condition, &why, confidence));
                }
                Truth::Unknown if !condition.trigger => unknown = Some(condition),
                _ => {}
            }
        }
        match unknown {
            _ if !violations.is_empty() => Answer::Violated(violations),
            Some(c) => Answer::cannot_tell(
                format!(
                    "whether {}={} holds is only known when the system runs",
                    c.setting.key, c.setting.value
                ),
                c.setting.origin.location(),
            ),
            None if judged => Answer::Satisfied,
            None => Answer::NotApplicable,
        }
    }
}

fn violation(condition: &Condition<'_>, why: &str, confidence: Confidence) -> Violation {
    let effect = if condition.assertion {
        "the unit fails"
    } else {
        "the unit is skipped, silently"
    };
    let setting = condition.setting;
    Violation::at_line(
        &setting.origin,
        format!(
            "{}={} is never true here: {why}; {effect}",
            setting.key, setting.value
        ),
    )
    .confidence(confidence)
}

impl UnitConditions {
    fn truth(&self, cx: &Context<'_>, condition: &Condition<'_>) -> Truth {
        let plain = if condition.is_path() {
            paths::truth(cx, condition.kind, condition.value, &self.devices)
        } else {
            system::truth(cx, condition.kind, condition.value)
        };
        match plain {
            (Some(holds), why, confidence) if holds == condition.negated => {
                Truth::False(why, confidence)
            }
            (Some(_), ..) => Truth::True,
            (None, ..) => Truth::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
