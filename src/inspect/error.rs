//! Why something in the image could not be read, and where.

use super::source::Location;
use schemars::JsonSchema;
use serde::Serialize;

/// The kinds of trouble, kept apart because different people must act on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The host could not read the file (permission, I/O error).
    Io,
    /// The structure in the image is damaged.
    Corrupt,
    /// The structure may be fine but isar-doctor cannot read it.
    Unsupported,
    /// The path or structure does not exist.
    NotFound,
    /// A bound that protects the doctor was hit (size, count, depth).
    Limit,
}

/// An error with its place. `Display` gives `p1:/loader: message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, JsonSchema)]
#[error("{location}: {message}")]
pub struct Error {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// Where in the image.
    pub location: Location,
    /// A lower-case sentence fragment that says what is wrong.
    pub message: String,
}

impl Error {
    /// A new error.
    pub fn new(kind: ErrorKind, location: Location, message: impl Into<String>) -> Self {
        Error {
            kind,
            location,
            message: message.into(),
        }
    }
    /// A damaged structure.
    pub fn corrupt(location: Location, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, location, message)
    }
    /// Something isar-doctor does not read.
    pub fn unsupported(location: Location, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, location, message)
    }
    /// A missing path.
    pub fn not_found(location: Location) -> Self {
        Self::new(ErrorKind::NotFound, location, "no such file or directory")
    }
    /// A bound was hit.
    pub fn limit(location: Location, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, location, message)
    }
    /// A host I/O error.
    pub fn io(location: Location, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, location, error.to_string())
    }
}

/// Result of reading the image.
pub type Result<T> = std::result::Result<T, Error>;

/// A fact about the image: known, known to be absent, or not readable. Never guessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", content = "value", rename_all = "kebab-case")]
pub enum Fact<T> {
    /// Read from the image.
    Known(T),
    /// Certain not to be there.
    Absent,
    /// Could not be read; the error says why.
    Unreadable(Error),
}

impl<T> Fact<T> {
    /// The value when known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Fact::Known(value) => Some(value),
            _ => None,
        }
    }
    /// The error when unreadable.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Fact::Unreadable(error) => Some(error),
            _ => None,
        }
    }
    /// A [`NotFound`](ErrorKind::NotFound) error becomes [`Fact::Absent`], any other [`Fact::Unreadable`].
    pub fn from_result(result: Result<T>) -> Self {
        match result {
            Ok(value) => Fact::Known(value),
            Err(error) if error.kind == ErrorKind::NotFound => Fact::Absent,
            Err(error) => Fact::Unreadable(error),
        }
    }
}
