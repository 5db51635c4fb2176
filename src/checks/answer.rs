//! What a check answers.

use super::violation::Violation;
use crate::inspect::error::{Error, Fact};
use crate::inspect::source::Location;

/// The four values of an answer. The last is never folded into another.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// What would answer the question could not be read.
    pub fn cannot_tell(reason: impl Into<String>, location: Location) -> Answer {
        Answer::CannotTell {
            reason: reason.into(),
            location,
        }
    }
    /// An unreadable fact.
    pub fn unreadable(error: &Error) -> Answer {
        Answer::cannot_tell(error.message.clone(), error.location.clone())
    }
    /// What a fact that is not known means for a check that needs it.
    pub fn without<T>(fact: &Fact<T>) -> Answer {
        match fact {
            Fact::Unreadable(error) => Answer::unreadable(error),
            _ => Answer::NotApplicable,
        }
    }
}

impl From<Violation> for Answer {
    fn from(violation: Violation) -> Self {
        Answer::Violated(vec![violation])
    }
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

/// The value of a `Result<_, Answer>`, or its answer.
#[macro_export]
macro_rules! or_answer {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(answer) => return answer,
        }
    };
}
