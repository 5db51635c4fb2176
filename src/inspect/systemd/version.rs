//! Version of the image's systemd.

use super::tree::Tree;

/// The version as text and the number that decides between behaviours. Unknown versions count as the oldest one supported.
pub fn read(tree: &Tree, package: Option<&str>) -> (Option<String>, u32) {
    let text = package.map(str::to_owned).or_else(|| library(tree));
    let number = text.as_deref().and_then(number).unwrap_or(247);
    (text, number)
}

/// `252` of `252.39-1~deb12u2`.
fn number(text: &str) -> Option<u32> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// From the file name of `libsystemd-shared-<version>.so`, which PID 1 is linked with.
fn library(tree: &Tree) -> Option<String> {
    let mut dirs = vec!["/usr/lib/systemd".to_owned(), "/lib/systemd".to_owned()];
    for entry in tree.list(&tree.canonical_dir("/usr/lib")?)?.iter() {
        if entry.name.contains("-linux-") {
            dirs.push(format!("/usr/lib/{}/systemd", entry.name));
        }
    }
    dirs.iter()
        .filter_map(|dir| tree.list(&tree.canonical_dir(dir)?))
        .find_map(|entries| {
            entries.iter().find_map(|entry| {
                let version = entry
                    .name
                    .strip_prefix("libsystemd-shared-")?
                    .strip_suffix(".so")?;
                number(version).map(|_| version.to_owned())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("252.39-1~deb12u2"), Some(252));
        assert_eq!(number("257~rc1"), Some(257));
        assert_eq!(number("v1"), None);
    }
}
