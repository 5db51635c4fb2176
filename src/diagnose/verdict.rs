//! The verdict: where the boot stopped, why, who must act, and how sure that is.

use crate::critical_point::CriticalPoint;
use crate::stage::Stage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The image has to change.
    Image,
    /// The QEMU arguments have to change.
    Launch,
    /// The host has to change.
    Host,
    /// It could not be told.
    Unknown,
}

/// How sure the verdict is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Concluded from what is in the image and from what was *not* seen.
    Inferred,
    /// The guest, QEMU or the firmware said or did it.
    Observed,
    /// A boot with one lever changed got past the failed stage.
    Proven,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Host seconds since QEMU was started; none for facts of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t: Option<f64>,
    /// Who says so: a source of the timeline, or `inspect`.
    pub source: String,
    /// The words. Raw guest text: escape before printing.
    pub text: String,
}

/// One boot with one thing changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// What was changed, e.g. `systemd.wants=dev-hvc0.device`.
    pub lever: String,
    /// How it reached the guest: `smbios`, `direct-kernel-boot`, `credential`, `qemu-arguments`.
    pub by: String,
    /// Furthest stage reached.
    pub stage: Option<Stage>,
    /// Seconds the boot took.
    pub seconds: f64,
    /// What that says about the cause.
    pub result: ExperimentResult,
    /// A sentence for people.
    pub text: String,
}

/// What an experiment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExperimentResult {
    /// The boot got past the failed stage.
    Proved,
    /// It should have got past the failed stage and did not.
    Disproved,
    /// It got past the failed stage, but only made a race likelier to be won.
    WonTheRace,
    /// The boot could not be carried out or said nothing.
    Inconclusive,
}

/// Another cause that fits the same evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// Cause id.
    pub cause_id: String,
    /// Sentence.
    pub cause: String,
}

/// Where the boot stopped and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The shell answered a command.
    pub reached: bool,
    /// First stage that was not completed; none when all were.
    pub stage: Option<Stage>,
    /// The critical point concerned; none when unknown or when all is well.
    pub critical_point: Option<CriticalPoint>,
    /// Stable id of the cause; where a rule of `inspect` describes it, the rule's id. `unknown` when it could not be told.
    pub cause_id: Option<String>,
    /// The cause as a sentence, with the names filled in.
    pub cause: Option<String>,
    /// Who must act.
    pub blame: Blame,
    /// How sure it is.
    pub confidence: Confidence,
    /// The outcome depends on timing: another boot of the same image may end differently.
    pub racy: bool,
    /// Why the team's configuration accepts the finding that says so: then a boot that reached the shell is well all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// Milliseconds of the guest's clock from the device's appearance to the condition's check; negative when the check came first.
    pub margin_ms: Option<f64>,
    /// The guest answered, and yet something is wrong with it (failed units, emergency mode afterwards).
    pub unhealthy: Option<String>,
    /// Evidence, most important first.
    pub evidence: Vec<Evidence>,
    /// What to change.
    pub fix: Option<String>,
    /// Other causes that fit as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Boots with one lever changed (`--prove`).
    pub experiments: Vec<Experiment>,
    /// Rules of `inspect` that had foreseen this cause.
    pub foreseen_by: Vec<String>,
    /// Channels that could not be seen, so that silence there says nothing.
    pub blind: Vec<String>,
}

impl Verdict {
    /// Healthy: the shell answered and nothing else was wrong, but for a race that is known and accepted.
    pub fn healthy(&self) -> bool {
        let sound = !self.racy || self.accepted.is_some();
        self.reached && sound && self.unhealthy.is_none()
    }
}
