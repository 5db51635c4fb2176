//! Shell patterns as `fnmatch(3)` without flags: kmod's aliases and systemd-boot's `default` are matched so.

/// Whether `text` as a whole matches `pattern`. A `*` also crosses slashes; there is no backtracking beyond the last `*`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: behind the last `*`, one byte of text further.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => match set(pattern, p, text[t]) {
                Some((next, hit)) => hit.then_some(next),
                None => (text[t] == b'[').then_some(p + 1),
            },
            Some(b'\\') if p + 1 < pattern.len() => (pattern[p + 1] == text[t]).then_some(p + 2),
            Some(c) => (*c == text[t]).then_some(p + 1),
            None => None,
        };
        match (step, retry) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((behind, from))) => {
                p = behind;
                t = from + 1;
                retry = Some((behind, t));
            }
            (None, None) => return false,
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
}

/// Reads the set that opens at `open`: the index behind its `]` and whether `c` is in it; none when it is not closed.
fn set(pattern: &[u8], open: usize, c: u8) -> Option<(usize, bool)> {
    let mut p = open + 1;
    let negated = matches!(pattern.get(p), Some(b'!' | b'^'));
    if negated {
        p += 1;
    }
    let mut hit = false;
    let mut first = true;
    loop {
        let mut low = *pattern.get(p)?;
        if low == b']' && !first {
            return Some((p + 1, hit != negated));
        }
        first = false;
        if low == b'\\' {
            p += 1;
            low = *pattern.get(p)?;
        }
        p += 1;
        let mut high = low;
        if pattern.get(p) == Some(&b'-') && pattern.get(p + 1).is_some_and(|e| *e != b']') {
            p += 1;
            high = *pattern.get(p)?;
            if high == b'\\' {
                p += 1;
                high = *pattern.get(p)?;
            }
            p += 1;
        }
        hit |= low <= c && c <= high;
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_c() {
        for (pattern, text) in [
            ("boot.conf", "boot.conf"),
            ("boot*", "boot.conf"),
            ("*", ""),
            ("*-1.*", "x-6.1-1.conf"),
            ("a?c", "abc"),
            ("virtio:d00000003v*", "virtio:d00000003v00001af4"),
            (
                "pci:v*d*sv*sd*bc0Csc03i[03]0*",
                "pci:v1d2sv3sd4bc0Csc03i30x",
            ),
            ("[!a]b", "cb"),
            ("[]]x", "]x"),
            ("[a-c-e]", "-"),
            ("\\*x", "*x"),
            ("[x", "[x"),
            ("**a**", "bab"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("boot", "boot.conf"),
            ("", "x"),
            ("?", ""),
            ("[a-c]", "d"),
            ("[!a]", "a"),
            ("*x", "xy"),
            ("a*b*c", "acb"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[a*?\\[\\]!\\\\-]{0,24}", text in "[ab\\[\\]-]{0,40}") {
            matches(&pattern, &text);
            proptest::prop_assert!(matches("*", &text));
        }
    }
}
