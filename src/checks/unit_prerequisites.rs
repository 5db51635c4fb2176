//! What the backdoor unit's start needs besides its program: users, directories, files.

use super::{Answer, Check, Confidence, Context, Violation};
use crate::or_answer;
use serde::Deserialize;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitPrerequisites {}

impl Check for UnitPrerequisites {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let unit = or_answer!(cx.loaded_unit());
        let violations = cx.facts.lacks.iter().map(|lack| {
            let message = format!(
                "{}={} of {} is not in the image, and nothing makes it: the start fails with {}",
                lack.setting, lack.value, unit.name, lack.status
            );
            // A path may still be made by some program that runs before.
            let named = lack.value.starts_with('/');
            let sure = if named {
                Confidence::Possible
            } else {
                Confidence::Certain
            };
            Violation::at_line(&lack.origin, message).confidence(sure)
        });
        Answer::from_violations(violations.collect())
    }
}
