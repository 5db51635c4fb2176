//! Conditions about paths.

use crate::checks::{Confidence, Context, Presence};
use crate::inspect::filesystem::FileKind;
use crate::inspect::fnmatch;

/// Conditions whose value is a path.
pub const KINDS: &[&str] = &[
    "PathExists",
    "PathExistsGlob",
    "PathIsDirectory",
    "PathIsSymbolicLink",
    "PathIsMountPoint",
    "PathIsReadWrite",
    "PathIsEncrypted",
    "DirectoryNotEmpty",
    "FileNotEmpty",
    "FileIsExecutable",
];

/// Truth, the reason for it, and how sure it is; `None` when it is not known.
pub fn truth(
    cx: &Context<'_>,
    kind: &str,
    path: &str,
    devices: &[String],
) -> (Option<bool>, String, Confidence) {
    if let Some(name) = path.strip_prefix("/dev/") {
        return (
            device(cx, kind, path, name, devices),
            format!("the test driver's machine has no {path}"),
            Confidence::Possible,
        );
    }
    let Some(there) = cx.facts.condition_paths.get(path) else {
        return (None, String::new(), Confidence::Possible);
    };
    let Some(found) = there else {
        let why = format!("the image has no {path}");
        return (Some(false), why, Confidence::Likely);
    };
    let is = match kind {
        "PathExists" | "PathExistsGlob" => Some(true),
        "PathIsDirectory" => Some(*found == FileKind::Directory),
        // An empty or unreadable one is not told from a full one here.
        "DirectoryNotEmpty" if *found != FileKind::Directory => Some(false),
        "FileNotEmpty" | "FileIsExecutable" if *found == FileKind::Directory => Some(false),
        _ => None,
    };
    (
        is,
        format!("{path} is of another kind in the image"),
        Confidence::Likely,
    )
}

fn device(
    cx: &Context<'_>,
    kind: &str,
    path: &str,
    name: &str,
    devices: &[String],
) -> Option<bool> {
    if !matches!(kind, "PathExists" | "PathExistsGlob" | "PathIsReadWrite") {
        return None;
    }
    if kind == "PathExistsGlob" && path.contains(['*', '?', '[']) {
        let own = cx.device_path();
        let always = ["/dev/ttyS0", "/dev/console", "/dev/null", own.as_str()];
        return always
            .iter()
            .any(|known| fnmatch::matches(path, known))
            .then_some(true);
    }
    if devices.iter().any(|d| d == name) {
        return Some(true);
    }
    match cx.machine().device(path) {
        // The shell device comes late; whether too late is the other rule's question.
        Presence::Always | Presence::Late | Presence::NodeOnly => Some(true),
        Presence::Never => Some(false),
        Presence::Unknown => None,
    }
}
