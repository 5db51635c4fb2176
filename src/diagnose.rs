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
    /// An error, not only a warning.
    pub error: bool,
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
