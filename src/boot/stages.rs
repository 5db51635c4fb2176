//! The stage machine: evidence in any order, never a step back.

pub mod log_marks;
pub mod machine;

use crate::stage::Stage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When and by what a stage was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reached {
    /// Host seconds since the start; of the first direct evidence, or of the later stage that implies it.
    pub t: f64,
    /// What proved it.
    pub evidence: String,
    /// Only a later stage proves it: nothing of its own was seen.
    pub implied: bool,
}

/// The stages reached so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Stages(BTreeMap<Stage, Reached>);

impl Stages {
    /// How a stage was reached.
    pub fn get(&self, stage: Stage) -> Option<&Reached> {
        self.0.get(&stage)
    }

    /// Whether a stage was reached.
    pub fn reached(&self, stage: Stage) -> bool {
        self.0.contains_key(&stage)
    }

    /// The furthest stage reached.
    pub fn furthest(&self) -> Option<Stage> {
        self.0.keys().next_back().copied()
    }

    /// The first stage that was not reached; none when all were.
    pub fn first_missing(&self) -> Option<Stage> {
        Stage::ALL.into_iter().find(|s| !self.reached(*s))
    }
}
