//! Facts + timeline → verdict. Judges what inspect and the boot observed; never reads an image or a socket.

pub mod advice;
pub mod asked;
pub mod candidate;
pub mod conclusive;
pub mod decide;
pub mod device;
pub mod experiments;
pub mod explain;
mod host;
pub mod jobs;
pub mod levers;
pub mod patterns;
mod progress;
pub mod reached;
mod reconsider;
mod shell;
pub mod unit;
pub mod unit_outcome;
pub mod verdict;
pub mod words;

use crate::boot::names::Names;
use crate::boot::outcome::Ended;
use crate::boot::stages::Stages;
use crate::boot::timeline::Observation;
use crate::critical_point::CriticalPoint;
use crate::inspect::source::Location;
use crate::stage::Stage;
use serde::{Deserialize, Serialize};

/// What inspect said about the image, as far as the verdict needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Rule id.
    pub rule: String,
    /// An error, not only a warning, by its rule: the verdict goes by this, whatever a team's configuration says.
    pub error: bool,
    /// What the configuration makes of it, when that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Stage at which the boot would fail.
    pub stage: Stage,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// The finding's message.
    pub message: String,
    /// Where in the image.
    pub location: Location,
    /// What to change.
    pub fix: Option<String>,
}

/// How a finding is told, and whether it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// As an error.
    Error,
    /// As a warning.
    Warning,
    /// As known and accepted, with the reason; it does not count.
    Accepted(String),
    /// Not at all.
    Off,
}

impl Predicted {
    /// How it is told.
    pub fn standing(&self) -> Standing {
        self.standing.clone().unwrap_or(match self.error {
            true => Standing::Error,
            false => Standing::Warning,
        })
    }

    /// Why the configuration lets an error be.
    pub fn accepted(&self) -> Option<String> {
        match self.standing() {
            Standing::Error => None,
            Standing::Accepted(reason) => Some(reason),
            Standing::Warning if !self.error => None,
            Standing::Warning => Some("the configuration makes it a warning".to_owned()),
            Standing::Off => Some("the configuration does not want it told".to_owned()),
        }
    }
}

/// Everything a verdict is made from.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What was seen, by time.
    pub timeline: &'a [Observation],
    /// Stages reached.
    pub stages: &'a Stages,
    /// Names of this image.
    pub names: &'a Names,
    /// `Description=` of the backdoor unit, by which older systemd speaks of it.
    pub description: Option<&'a str>,
    /// What inspect said; empty when the image was not inspected.
    pub predicted: &'a [Predicted],
    /// Channels that could not be seen.
    pub blind: &'a [String],
    /// Why the watching ended; none for saved logs.
    pub ended: Option<&'a Ended>,
    /// QEMU's argument vector; empty for saved logs.
    pub command: &'a [String],
}

pub use conclusive::{Conclusion, conclusive};
pub use decide::verdict;
