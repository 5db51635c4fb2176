//! Provenance: where in the image a fact was read, down to the line.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// A place inside the image, as reports print it: `p2:/etc/fstab:3`.
#[derive(
    Debug,
    Clone,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    JsonSchema,
)]
pub struct Location {
    /// Partition as `p1`, `p2`, …; `initrd` for the initrd's own files; none for the disk itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub partition: Option<String>,
    /// Absolute path inside the partition's file system.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// 1-based line in the file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// Byte offset in the partition, or in the image when there is no partition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<u64>,
}

impl Location {
    /// The whole image.
    pub fn image() -> Self {
        Location::default()
    }
    /// A partition, no path.
    pub fn partition(partition: impl Into<String>) -> Self {
        Location {
            partition: Some(partition.into()),
            ..Location::default()
        }
    }
    /// A file in a partition.
    pub fn file(partition: impl Into<String>, path: impl Into<String>) -> Self {
        Location {
            partition: Some(partition.into()),
            path: Some(path.into()),
            ..Location::default()
        }
    }
    /// The same place, at a line.
    pub fn at_line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }
    /// The same place, at a byte offset.
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.partition.as_deref().unwrap_or("image"))?;
        if let Some(path) = &self.path {
            write!(f, ":{path}")?;
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, "@{offset:#x}")?;
        }
        Ok(())
    }
}

/// A small text file of the image, kept so that reports can quote it.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Partition label, see [`Location::partition`].
    pub partition: String,
    /// Path inside the file system.
    pub path: String,
    /// Content; bytes that are not UTF-8 are replaced.
    pub text: String,
}

impl SourceFile {
    /// The text of a 1-based line, without its newline.
    pub fn line(&self, line: u32) -> Option<&str> {
        self.text.lines().nth((line as usize).checked_sub(1)?)
    }
    /// Where the file lies.
    pub fn location(&self) -> Location {
        Location::file(self.partition.clone(), self.path.clone())
    }
}

/// A line of a [`SourceFile`], or the whole file when `line` is `None`. Serialised as its [`Location`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: Arc<SourceFile>,
    /// 1-based line.
    pub line: Option<u32>,
}

impl Origin {
    /// The whole file.
    pub fn whole(file: &Arc<SourceFile>) -> Self {
        Origin {
            file: Arc::clone(file),
            line: None,
        }
    }
    /// One line of the file (1-based).
    pub fn line(file: &Arc<SourceFile>, line: u32) -> Self {
        Origin {
            file: Arc::clone(file),
            line: Some(line),
        }
    }
    /// The place it points at.
    pub fn location(&self) -> Location {
        Location {
            line: self.line,
            ..self.file.location()
        }
    }
    /// The text of the line it points at.
    pub fn text(&self) -> Option<&str> {
        self.file.line(self.line?)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.location().serialize(serializer)
    }
}

impl JsonSchema for Origin {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Location::schema_name()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Location::json_schema(generator)
    }
}
