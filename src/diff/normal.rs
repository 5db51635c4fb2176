//! Names that every build makes anew (UUIDs, the kernel release), replaced by what they stand for.

use crate::inspect::facts::Facts;
use std::collections::BTreeMap;

/// Identifiers of one image and the words they stand for.
#[derive(Debug, Default)]
pub struct Names {
    ids: Vec<(String, String)>,
    release: Option<String>,
}

/// Shorter identifiers could be part of a word.
const MIN_ID: usize = 8;

fn is_of_id(c: u8) -> bool {
    c.is_ascii_hexdigit() || c == b'-'
}

impl Names {
    /// Those of an image.
    pub fn of(facts: &Facts) -> Names {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for p in facts.disk.known().iter().flat_map(|d| &d.partitions) {
            ids.insert(p.partuuid.to_lowercase(), format!("<{}>", p.id));
            if let Some(uuid) = &p.content.uuid {
                ids.insert(uuid.to_lowercase(), format!("<{}>", p.id));
            }
        }
        let disk = facts.disk.known().and_then(|d| d.disk_id.clone());
        ids.extend(disk.map(|id| (id.to_lowercase(), "<disk>".to_owned())));
        let machine = facts.rootfs.known().and_then(|r| r.machine_id.known());
        ids.extend(machine.map(|id| (id.to_lowercase(), "<machine>".to_owned())));
        let mut ids: Vec<(String, String)> = ids
            .into_iter()
            .filter(|(id, _)| id.len() >= MIN_ID && id.bytes().all(is_of_id))
            .collect();
        // The escape of systemd's unit names.
        let escaped: Vec<_> = ids
            .iter()
            .filter(|(id, _)| id.contains('-'))
            .map(|(id, word)| (id.replace('-', "\\x2d"), word.clone()))
            .collect();
        ids.extend(escaped);
        // The longest first: a disk's signature is the start of its PARTUUIDs.
        ids.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.cmp(b)));
        Names {
            ids,
            release: facts.kernel.known().and_then(|k| k.release.clone()),
        }
    }

    /// Text without the identifiers of this image.
    pub fn plain(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (id, word) in &self.ids {
            // Lower-casing ASCII keeps all offsets.
            while let Some(at) = out.to_ascii_lowercase().find(id.as_str()) {
                out.replace_range(at..at + id.len(), word);
            }
        }
        out
    }

    /// The same, and without the kernel's release.
    pub fn path(&self, text: &str) -> String {
        match self.release.as_deref().filter(|r| r.len() >= 3) {
            Some(release) => self.plain(text).replace(release, "<release>"),
            None => self.plain(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;

    #[test]
    fn identifiers_become_what_they_stand_for() {
        let names = Names::of(&testing::healthy());
        let text = format!("root=PARTUUID={}", testing::ROOT.to_uppercase());
        assert_eq!(names.plain(&text), "root=PARTUUID=<p2>");
        let unit = format!(
            "dev-disk-by\\x2dpartuuid-{}.swap",
            testing::ROOT.replace('-', "\\x2d")
        );
        assert_eq!(names.plain(&unit), "dev-disk-by\\x2dpartuuid-<p2>.swap");
        let path = format!("/vmlinuz-{}", testing::RELEASE);
        assert_eq!(names.path(&path), "/vmlinuz-<release>");
    }

    #[test]
    fn an_identifier_that_is_none_is_left_alone() {
        let mut facts = testing::healthy();
        let rootfs = testing::known(&mut facts.rootfs);
        rootfs.machine_id = crate::inspect::error::Fact::Known("<machine>".into());
        assert_eq!(Names::of(&facts).plain("a <machine> b"), "a <machine> b");
    }
}
