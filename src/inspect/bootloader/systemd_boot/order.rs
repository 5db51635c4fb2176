//! The order of the menu and the entry that boots by default (`boot_entry_compare`, `config_select_default_entry`).

use super::super::LoaderEntry;
use super::super::version;
use super::{Behaviour, Candidate};
use crate::inspect::fnmatch;
use std::cmp::Ordering;

/// Compares two entries as the loader sorts its menu.
pub fn compare(a: &Candidate, b: &Candidate, behaviour: Behaviour) -> Ordering {
    let left = |c: &Candidate| c.entry.tries.map(|(left, _)| left);
    let done = |c: &Candidate| c.entry.tries.map(|(_, done)| done);
    let bad = |c: &Candidate| left(c) == Some(0);
    let by_tries = if left(a).is_none() || left(b).is_none() {
        Ordering::Equal
    } else {
        left(b).cmp(&left(a)).then(done(a).cmp(&done(b)))
    };
    if !behaviour.newest_first {
        // Before 251 the list ran the other way, and the last entry was the one that boots.
        let by_id = version::compare_old(&a.entry.id, &b.entry.id);
        return bad(b).cmp(&bad(a)).then(by_id).then(by_tries.reverse());
    }
    let by_key = match (&a.sort_key, &b.sort_key) {
        (Some(x), Some(y)) => {
            let versions = |c: &Candidate| c.version.clone().unwrap_or_default();
            x.cmp(y)
                .then_with(|| a.machine_id.cmp(&b.machine_id))
                .then_with(|| version::compare(&versions(b), &versions(a)))
        }
        (x, y) => x.is_none().cmp(&y.is_none()),
    };
    bad(a)
        .cmp(&bad(b))
        .then(by_key)
        .then_with(|| version::compare(&b.base_id, &a.base_id))
        .then(a.profile.cmp(&b.profile))
        .then(by_tries)
}

/// The index of the entry that boots, and whether the pattern (if any) matched. Skipped entries are not in the menu.
pub fn select(
    entries: &[LoaderEntry],
    pattern: Option<&str>,
    behaviour: Behaviour,
) -> (Option<usize>, bool) {
    let menu = entries.iter().take_while(|e| e.skipped.is_none()).count();
    let from_best = |i: usize| {
        if behaviour.newest_first {
            i
        } else {
            menu - 1 - i
        }
    };
    let found = pattern.and_then(|pattern| {
        let pattern = pattern.to_ascii_lowercase();
        (0..menu)
            .map(from_best)
            .find(|i| fnmatch::matches(&pattern, &entries[*i].id))
    });
    let first = (menu > 0).then(|| from_best(0));
    (found.or(first), pattern.is_none() || found.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::entry;
    use super::*;

    fn candidate(
        id: &str,
        key: Option<&str>,
        version: &str,
        tries: Option<(u32, u32)>,
    ) -> Candidate {
        let mut entry = entry(id);
        entry.tries = tries;
        Candidate {
            entry,
            sort_key: key.map(str::to_owned),
            machine_id: None,
            version: Some(version.to_owned()),
            profile: 0,
            base_id: id.to_owned(),
        }
    }

    fn sorted(mut list: Vec<Candidate>, version: &str) -> Vec<String> {
        let behaviour = Behaviour::of(Some(version));
        list.sort_by(|a, b| compare(a, b, behaviour));
        list.into_iter().map(|c| c.entry.id).collect()
    }

    #[test]
    fn newest_first_since_251() {
        let list = || {
            vec![
                candidate("boot.conf", None, "", None),
                candidate("boot-6.1.0-9.conf", None, "", None),
                candidate("boot-6.1.0-10.conf", None, "", None),
                candidate("keyed-old.conf", Some("debian"), "6.1", None),
                candidate("keyed-new.conf", Some("debian"), "6.12", None),
                candidate("bad+0-3.conf", Some("aaa"), "9", Some((0, 3))),
            ]
        };
        assert_eq!(
            sorted(list(), "252"),
            [
                "keyed-new.conf",
                "keyed-old.conf",
                "boot.conf",
                "boot-6.1.0-10.conf",
                "boot-6.1.0-9.conf",
                "bad+0-3.conf"
            ]
        );
        assert_eq!(sorted(list(), "247")[0], "bad+0-3.conf");
    }

    #[test]
    fn tries_decide_between_equals() {
        let list = vec![
            candidate("x", None, "", Some((1, 2))),
            candidate("x", None, "", Some((3, 0))),
            candidate("x", None, "", Some((1, 1))),
        ];
        let mut list = list;
        list.sort_by(|a, b| compare(a, b, Behaviour::of(None)));
        let tries: Vec<_> = list.iter().map(|c| c.entry.tries).collect();
        assert_eq!(tries, [Some((3, 0)), Some((1, 1)), Some((1, 2))]);
    }

    #[test]
    fn the_default_pattern_is_a_glob_on_the_whole_id() {
        let entries = [entry("a.conf"), entry("boot.conf")];
        let now = Behaviour::of(Some("252"));
        assert_eq!(select(&entries, Some("boot"), now), (Some(0), false));
        assert_eq!(select(&entries, Some("BOOT.conf"), now), (Some(1), true));
        assert_eq!(select(&entries, Some("boot*"), now), (Some(1), true));
        assert_eq!(select(&entries, None, now), (Some(0), true));
        assert_eq!(select(&[], Some("x"), now), (None, false));
        let old = Behaviour::of(Some("241"));
        assert_eq!(select(&entries, None, old), (Some(1), true));
    }
}
