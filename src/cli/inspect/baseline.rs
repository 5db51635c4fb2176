//! `--baseline` and `--write-baseline`.

use crate::checks::baseline::{self, Baseline, Entry};
use crate::cli::output::{Failure, write_out};
use crate::cli::policy::Policy;
use crate::report::Inspection;
use crate::rules::Severity;
use std::path::{Path, PathBuf};

/// Far more than any number of findings needs.
const MAX_SIZE: u64 = 64 << 20;

/// Marks what the file knows.
pub(super) fn compare(
    file: &Path,
    policy: &Policy,
    inspections: &mut [Inspection],
) -> Result<(), Failure> {
    let name = file.display();
    let fail = |e: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "cannot read the baseline {name}: {e}; `--write-baseline {name}` makes one"
        ))
    };
    let size = std::fs::metadata(file).map_err(|e| fail(&e))?.len();
    if size > MAX_SIZE {
        return Err(fail(&"it is too large to be one"));
    }
    let text = std::fs::read_to_string(file).map_err(|e| fail(&e))?;
    let baseline = Baseline::parse(&text).map_err(|e| fail(&e))?;
    let alone = inspections.len() == 1;
    for inspection in inspections {
        let key = key(file, &inspection.path);
        let Ok(judged) = &mut inspection.outcome else {
            continue;
        };
        let judged_now = |entry: &Entry| {
            let rule = policy.rules.iter().find(|r| r.id == entry.rule);
            let told = rule.is_none_or(|r| policy.selection.tells(r, &judged.facts));
            told && (policy.selection.pedantic || entry.severity > Severity::Pedantic)
        };
        baseline::compare(
            &mut judged.judgement,
            baseline.entries(&key, alone),
            judged_now,
        );
    }
    Ok(())
}

/// Writes what is found now. An image that could not be judged would lose its entries, so nothing is written then.
pub(super) fn write(file: &Path, inspections: &[Inspection]) -> Result<(), Failure> {
    let mut baseline = Baseline::default();
    for inspection in inspections {
        let Ok(judged) = &inspection.outcome else {
            return Err(Failure::unjudged(format!(
                "{} could not be judged: the baseline {} was not written",
                inspection.path,
                file.display()
            )));
        };
        baseline.insert(key(file, &inspection.path), &judged.judgement.findings);
    }
    let text = baseline.render().map_err(Failure::internal)?;
    write_out(Some(file), &text)
}

/// An image's name in the file: its path from the file's directory where it lies below that, else its file name. So a baseline
/// serves in every checkout.
fn key(file: &Path, image: &str) -> String {
    let absolute = |path: &Path| -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
    };
    let image = Path::new(image);
    let below = || {
        let dir = absolute(file)?.parent()?.to_owned();
        let path = absolute(image)?;
        Some(path.strip_prefix(dir).ok()?.display().to_string())
    };
    below().unwrap_or_else(|| {
        let name = image.file_name().unwrap_or(image.as_os_str());
        name.to_string_lossy().into_owned()
    })
}
