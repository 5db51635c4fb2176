//! Pages and drawings of a boot, beside its report.

use super::judge::Judged;
use crate::boot::trouble::BootError;
use crate::report::{html, svg};
use clap::Args;
use std::path::{Path, PathBuf};

/// Files to write as well.
#[derive(Debug, Clone, Default, Args)]
pub struct Pages {
    /// Write a self-contained HTML page as well, with a timeline to zoom into
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the timeline as a drawing as well
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Pages {
    /// Writes what was asked for.
    pub fn write(&self, judged: &Judged) -> Result<(), BootError> {
        let write = |path: &Path, text: String| {
            std::fs::write(path, text)
                .map_err(|e| BootError::Usage(format!("{}: {e}", path.display())))
        };
        if let Some(path) = &self.html {
            write(
                path,
                html::boot(&judged.outcome, judged.verdict(), &judged.predicted),
            )?;
        }
        if let Some(path) = &self.svg {
            write(path, svg::timeline(&judged.outcome, judged.verdict()))?;
        }
        Ok(())
    }
}
