//! Judges facts: one generic check per file, parameterised by rules. Never reads an image.

pub mod cmdline_console;
pub mod condition;
pub mod device_race;
pub mod esp;
pub mod file_runnable;
pub mod fstab_devices;
pub mod getty;
pub mod init;
pub mod initrd_image;
pub mod kernel_image;
pub mod loader_entry;
pub mod module_available;
pub mod package_intact;
pub mod partition_table;
pub mod production;
pub mod registry;
pub mod root_resolves;
pub mod run;
pub mod script_text;
pub mod transaction;
pub mod unit_directive;
pub mod unit_enabled;
pub mod unit_sandbox;
pub mod unit_waits;

use crate::inspect::error::{Error, Fact};
use crate::inspect::facts::Facts;
use crate::inspect::source::{Location, Origin};
use crate::inspect::systemd::{SystemdFacts, Unit};
use crate::profile::Profile;
use crate::rules::Severity;

/// What a check looks at.
pub struct Context<'a> {
    /// All facts of one image.
    pub facts: &'a Facts,
    /// Names in use.
    pub profile: &'a Profile,
}

impl<'a> Context<'a> {
    /// systemd's facts, when they could be read.
    pub fn systemd(&self) -> Option<&'a SystemdFacts> {
        self.facts.systemd.known()
    }
    /// The backdoor unit's name in this image.
    pub fn unit_name(&self) -> &'a str {
        self.facts
            .backdoor
            .as_deref()
            .unwrap_or(&self.facts.profile.unit)
    }
    /// The backdoor unit.
    pub fn unit(&self) -> Option<&'a Unit> {
        self.systemd()?.unit(self.unit_name())
    }
    /// `dev-hvc0.device`
    pub fn device_unit(&self) -> String {
        format!("dev-{}.device", self.profile.device)
    }
    /// `/dev/hvc0`
    pub fn device_path(&self) -> String {
        format!("/dev/{}", self.profile.device)
    }
}

/// One violation, before the rule adds its own words.
#[derive(Debug, Clone)]
pub struct Violation {
    /// What is wrong, as a sentence fragment.
    pub message: String,
    /// The line that is wrong, when there is one.
    pub origin: Option<Origin>,
    /// The place.
    pub location: Location,
    /// Facts that lead to it, in order.
    pub evidence: Vec<String>,
    /// Severity, when it is not the rule's own.
    pub severity: Option<Severity>,
    /// ISAR itself writes it so; the team did not.
    pub generated_by_isar: bool,
}

impl Violation {
    /// A violation at a line.
    pub fn at_line(origin: &Origin, message: impl Into<String>) -> Violation {
        Violation {
            origin: Some(origin.clone()),
            ..Violation::at(origin.location(), message)
        }
    }
    /// A violation at a place.
    pub fn at(location: Location, message: impl Into<String>) -> Violation {
        Violation {
            message: message.into(),
            origin: None,
            location,
            evidence: Vec::new(),
            severity: None,
            generated_by_isar: false,
        }
    }
    /// With facts that lead to it.
    pub fn because(mut self, evidence: impl IntoIterator<Item = String>) -> Violation {
        self.evidence.extend(evidence);
        self
    }
    /// With another severity than the rule's.
    pub fn severity(mut self, severity: Severity) -> Violation {
        self.severity = Some(severity);
        self
    }
    /// Marked as written by ISAR itself.
    pub fn by_isar(mut self) -> Violation {
        self.generated_by_isar = true;
        self
    }
}

/// The four values of an answer. The last is never folded into another.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Not as it should be.
    Violated(Vec<Violation>),
    /// As it should be.
    Satisfied,
    /// The question does not arise in this image.
    NotApplicable,
    /// What would answer it could not be read.
    CannotTell {
        /// Why.
        reason: String,
        /// Where.
        location: Location,
    },
}

impl Answer {
    /// Violated when there are violations, else satisfied.
    pub fn from_violations(violations: Vec<Violation>) -> Answer {
        if violations.is_empty() {
            Answer::Satisfied
        } else {
            Answer::Violated(violations)
        }
    }
    /// One violation or none.
    pub fn from_option(violation: Option<Violation>) -> Answer {
        Answer::from_violations(violation.into_iter().collect())
    }
    /// An unreadable fact.
    pub fn unreadable(error: &Error) -> Answer {
        Answer::CannotTell {
            reason: error.message.clone(),
            location: error.location.clone(),
        }
    }
    /// What a fact that is not known means for a check that needs it.
    pub fn without<T>(fact: &Fact<T>) -> Answer {
        match fact {
            Fact::Unreadable(error) => Answer::unreadable(error),
            _ => Answer::NotApplicable,
        }
    }
}

/// A generic check with its parameters set.
pub trait Check: Send + Sync {
    /// Judges one image.
    fn judge(&self, cx: &Context<'_>) -> Answer;
}

/// The value of a fact, or the answer that its absence gives.
#[macro_export]
macro_rules! known {
    ($fact:expr) => {
        match &$fact {
            $crate::inspect::error::Fact::Known(value) => value,
            other => return $crate::checks::Answer::without(other),
        }
    };
}
