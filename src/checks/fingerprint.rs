//! What makes a defect the same defect in a rebuilt image.

use super::finding::Finding;
use regex::Regex;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Identifiers that every build draws anew: UUIDs, the serials of MBR disks and FAT, machine ids and checksums.
static IDENTIFIER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f]{2}|[0-9a-f]{4}-[0-9a-f]{4}|[0-9a-f]{32,128})\b",
    )
    .ok()
});

/// The same for the same defect in a rebuilt image: rule, path and the text of the line, without line numbers, partitions,
/// versions and identifiers.
pub fn fingerprint(finding: &Finding) -> String {
    let path = finding.location.path.as_deref().unwrap_or_default();
    let line = finding
        .snippet
        .as_ref()
        .and_then(|s| s.text.lines().nth((s.line - s.first_line) as usize))
        .map(str::trim)
        .unwrap_or_default();
    digest(&format!(
        "{}\0{}\0{}",
        finding.rule,
        stable(path),
        stable(line)
    ))
}

/// The same for reports that put many images into one list and take equal fingerprints for one finding.
pub fn in_image(image: &str, fingerprint: &str) -> String {
    digest(&format!("{image}\0{fingerprint}"))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// Identifiers and numbers, which a rebuild changes and not the defect, become one character each.
fn stable(text: &str) -> String {
    let text = match &*IDENTIFIER {
        Some(identifier) => identifier.replace_all(text, "#"),
        None => text.into(),
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('0') {
            out.push('0');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebuild_changes_nothing() {
        for (one, other) in [
            (
                "options root=PARTUUID=d3adbeef-02 quiet",
                "options root=PARTUUID=0c0ffee0-02 quiet",
            ),
            (
                "root=UUID=4ab1c2d3-0000-4fff-8aaa-0123456789ab",
                "root=UUID=ffb1c2d3-1111-4abc-9bbb-0123456789ff",
            ),
            ("UUID=1A2B-3C4D /boot", "UUID=FFEE-0011 /boot"),
            (
                "/usr/lib/modules/6.1.0-9-amd64",
                "/usr/lib/modules/6.1.0-38-amd64",
            ),
            (
                "/0123456789abcdef0123456789abcdef/linux",
                "/fedcba9876543210fedcba9876543210/linux",
            ),
        ] {
            assert_eq!(stable(one), stable(other));
        }
        assert_ne!(stable("After=dev-hvc0.device"), stable("After=x.device"));
        assert_eq!(stable("face-off decade"), "face-off decade");
    }
}
