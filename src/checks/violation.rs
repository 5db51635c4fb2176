//! What a check found wrong, before the rule adds its own words.

use crate::inspect::source::{Location, Origin};
use crate::rules::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How sure a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It depends on the machine, or on something that is not in the image.
    Possible,
    /// It depends on timing, or on what a program does with the text that was read.
    Likely,
    /// It follows from the image alone.
    Certain,
}

/// One link of the reasoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// Sentence fragment.
    pub text: String,
    /// Where it stands in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The line there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The line with its file, for snippets.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

impl Evidence {
    /// A reason that stands at a line.
    pub fn at_line(origin: &Origin, text: impl Into<String>) -> Self {
        Evidence {
            text: text.into(),
            location: Some(origin.location()),
            source: origin.text().map(str::to_owned),
            origin: Some(origin.clone()),
        }
    }
    /// A reason that stands at a place without text.
    pub fn at(location: &Location, text: impl Into<String>) -> Self {
        Evidence {
            location: Some(location.clone()),
            ..Evidence::from(text.into())
        }
    }
}

impl From<String> for Evidence {
    fn from(text: String) -> Self {
        Evidence {
            text,
            location: None,
            source: None,
            origin: None,
        }
    }
}
impl From<&str> for Evidence {
    fn from(text: &str) -> Self {
        Evidence::from(text.to_owned())
    }
}

/// One violation. It cannot be made without a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong, as a sentence fragment.
    pub message: String,
    /// The line that is wrong, when there is one.
    pub origin: Option<Origin>,
    /// The bytes of the line that matter, when it is not the whole of it.
    pub span: Option<Range<usize>>,
    /// The place.
    pub location: Location,
    /// Facts that lead to it, in order.
    pub evidence: Vec<Evidence>,
    /// How sure it is.
    pub confidence: Confidence,
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
    /// A violation at a line when there is one, else at a place.
    pub fn at_either(
        origin: Option<&Origin>,
        location: impl FnOnce() -> Location,
        message: impl Into<String>,
    ) -> Violation {
        match origin {
            Some(origin) => Violation::at_line(origin, message),
            None => Violation::at(location(), message),
        }
    }
    /// A violation at a place.
    pub fn at(location: Location, message: impl Into<String>) -> Violation {
        Violation {
            message: message.into(),
            origin: None,
            span: None,
            location,
            evidence: Vec::new(),
            confidence: Confidence::Certain,
            severity: None,
            generated_by_isar: false,
        }
    }
    /// Only this part of the line is meant.
    pub fn span(mut self, start: usize, len: usize) -> Violation {
        self.span = Some(start..start + len);
        self
    }
    /// With facts that lead to it.
    pub fn because<E: Into<Evidence>>(
        mut self,
        evidence: impl IntoIterator<Item = E>,
    ) -> Violation {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }
    /// Not certain.
    pub fn confidence(mut self, confidence: Confidence) -> Violation {
        self.confidence = confidence;
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
