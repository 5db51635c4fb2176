//! The kernel command line with the kernel's own quoting (`lib/cmdline.c`, `next_arg`).

use super::source::Origin;
use schemars::JsonSchema;
use serde::Serialize;

/// One word of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Word {
    /// Parameter name as written.
    pub key: String,
    /// Value after the first `=`, quotes removed; none when there is no `=`.
    pub value: Option<String>,
    /// Byte offset in [`CmdlineFacts::text`].
    pub offset: usize,
}

/// The command line of the entry that boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CmdlineFacts {
    /// The whole text.
    pub text: String,
    /// Words in order; words after a bare `--` go to init and are left out.
    pub words: Vec<Word>,
    /// Lines it came from.
    pub origins: Vec<Origin>,
}
