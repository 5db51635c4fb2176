//! How systemd-boot compares version strings: today's rules (version format specification) and those before 251.

use std::cmp::Ordering;

/// The comparison of systemd-boot 251 and later, as `systemd-analyze compare-versions` does it.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = skip(a, |c| !is_valid(c));
        b = skip(b, |c| !is_valid(c));
        if let Some(order) = prefix(&mut a, &mut b, b'~') {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            return b.is_empty().cmp(&a.is_empty());
        }
        for separator in [b'-', b'^', b'.'] {
            if let Some(order) = prefix(&mut a, &mut b, separator) {
                return order;
            }
        }
        let digits = |s: &[u8]| s.first().is_some_and(u8::is_ascii_digit);
        let (x, y);
        if digits(a) || digits(b) {
            (x, a) = split(a, |c| c.is_ascii_digit());
            (y, b) = split(b, |c| c.is_ascii_digit());
            let order = (!x.is_empty()).cmp(&!y.is_empty());
            let (x, y) = (skip(x, |c| c == b'0'), skip(y, |c| c == b'0'));
            let order = order.then(x.len().cmp(&y.len())).then(x.cmp(y));
            if order.is_ne() {
                return order;
            }
        } else {
            (x, a) = split(a, |c| c.is_ascii_alphabetic());
            (y, b) = split(b, |c| c.is_ascii_alphabetic());
            let common = x.len().min(y.len());
            let order = x[..common].cmp(&y[..common]).then(x.len().cmp(&y.len()));
            if order.is_ne() {
                return order;
            }
        }
    }
}

/// The comparison before 251: runs of digits by number, other bytes one by one, letters before the rest.
pub fn compare_old(a: &str, b: &str) -> Ordering {
    let rank = |c: Option<&u8>| match c {
        None => 0,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 0x10000,
    };
    let is_text = |s: &[u8]| s.first().is_some_and(|c| !c.is_ascii_digit());
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    while !x.is_empty() || !y.is_empty() {
        while is_text(x) || is_text(y) {
            let order = rank(x.first()).cmp(&rank(y.first()));
            if order.is_ne() {
                return order;
            }
            x = x.get(1..).unwrap_or_default();
            y = y.get(1..).unwrap_or_default();
        }
        let (p, rest_x) = split(x, |c| c.is_ascii_digit());
        let (q, rest_y) = split(y, |c| c.is_ascii_digit());
        let (p, q) = (skip(p, |c| c == b'0'), skip(q, |c| c == b'0'));
        let order = p.len().cmp(&q.len()).then(p.cmp(q));
        if order.is_ne() {
            return order;
        }
        (x, y) = (rest_x, rest_y);
    }
    a.cmp(b)
}

fn is_valid(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'~' | b'-' | b'^' | b'.')
}

fn skip(s: &[u8], drop: impl Fn(u8) -> bool) -> &[u8] {
    split(s, drop).1
}

fn split(s: &[u8], head: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    s.split_at(s.iter().take_while(|c| head(**c)).count())
}

/// A string that starts with the separator is older than one that does not; both lose it.
fn prefix(a: &mut &[u8], b: &mut &[u8], separator: u8) -> Option<Ordering> {
    let (x, y) = (a.first() == Some(&separator), b.first() == Some(&separator));
    match (x, y) {
        (true, true) => {
            *a = &a[1..];
            *b = &b[1..];
            None
        }
        (false, false) => None,
        _ => Some((!x).cmp(&!y)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_the_specification_lists_them() {
        let rising = [
            "122.1",
            "123~rc1-1",
            "123",
            "123-a",
            "123-a.1",
            "123-1",
            "123-1.1",
            "123^post1",
            "123.a-1",
            "123.1-1",
            "123a-1",
            "124-1",
        ];
        for (i, a) in rising.iter().enumerate() {
            for (k, b) in rising.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&k), "{a} {b}");
            }
        }
        assert_eq!(compare("6.1.0-9", "6.1.0-10"), Ordering::Less);
        assert_eq!(compare("00123", "123"), Ordering::Equal);
        assert_eq!(compare("123_a", "123a"), Ordering::Equal);
        assert_eq!(compare("boot.conf", "boot-old.conf"), Ordering::Greater);
        assert_eq!(compare("", ""), Ordering::Equal);
        assert_eq!(compare("~", ""), Ordering::Less);
    }

    #[test]
    fn the_old_comparison_counts_digits() {
        assert_eq!(compare_old("linux-9.conf", "linux-10.conf"), Ordering::Less);
        assert_eq!(compare_old("a.conf", "a-b.conf"), Ordering::Greater);
        assert_eq!(compare_old("x", "x"), Ordering::Equal);
        assert_eq!(compare_old("x01", "x1"), Ordering::Less);
    }

    proptest::proptest! {
        #[test]
        fn any_two_strings_compare(a in "[a0.~^_-]{0,12}", b in "[a0.~^_-]{0,12}") {
            proptest::prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            proptest::prop_assert_eq!(compare_old(&a, &b), compare_old(&b, &a).reverse());
        }
    }
}
