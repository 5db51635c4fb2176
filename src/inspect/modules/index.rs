//! kmod's binary indexes (`modules.*.bin`): a trie from keys to values with priorities (libkmod-index.c, format 2.1).
//!
//! This is what modprobe and udev read; the text files beside them are for people.

use crate::inspect::fnmatch;
use std::collections::BTreeMap;

const MAGIC: u32 = 0xb007_f457;
const MAJOR: u32 = 2;
/// Flags in a node's offset.
const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0fff_ffff;
/// Nodes and bytes visited in one walk. Debian's largest index takes 3 million; a crafted one may share nodes without end.
const MAX_WORK: usize = 64 << 20;
/// Texts longer than this are damage.
const MAX_TEXT: usize = 256 << 10;
/// Nodes below one another; keys are short and share prefixes, so real ones stay below 100.
const MAX_DEPTH: usize = 300;

/// An index held in memory.
#[derive(Debug, Clone)]
pub struct Index {
    bytes: Vec<u8>,
    root: u32,
}

/// A value and its rank: lower comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Rank.
    pub priority: u32,
    /// Text.
    pub text: String,
}

struct Node<'a> {
    prefix: &'a [u8],
    first: u8,
    children: &'a [u8],
    values: Option<usize>,
}

impl Index {
    /// Takes the bytes of a `.bin` file; the error says what is wrong with them.
    pub fn new(bytes: Vec<u8>) -> Result<Index, String> {
        let index = Index { bytes, root: 0 };
        let [magic, version, root] = [0, 4, 8].map(|at| index.word(at));
        match (magic, version, root) {
            (Some(MAGIC), Some(version), Some(root)) if version >> 16 == MAJOR => {
                Ok(Index { root, ..index })
            }
            (Some(MAGIC), Some(version), Some(_)) => {
                Err(format!("is an index of unknown version {version:#x}"))
            }
            (None, ..) | (_, None, _) | (_, _, None) => Err("is truncated".into()),
            _ => Err("is not a module index: wrong magic number".into()),
        }
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    /// The text that starts here and ends with a zero byte.
    fn text(&self, at: usize) -> Option<&[u8]> {
        let rest = self.bytes.get(at..)?;
        let len = rest.iter().take(MAX_TEXT).position(|c| *c == 0)?;
        rest.get(..len)
    }

    fn node(&self, offset: u32) -> Option<Node<'_>> {
        let mut at = (offset & OFFSET) as usize;
        if at == 0 {
            return None;
        }
        let mut node = Node {
            prefix: b"",
            first: 0,
            children: b"",
            values: None,
        };
        if offset & PREFIX != 0 {
            node.prefix = self.text(at)?;
            at += node.prefix.len() + 1;
        }
        if offset & CHILDREN != 0 {
            node.first = *self.bytes.get(at)?;
            let last = *self.bytes.get(at + 1)?;
            let count = usize::from(last.checked_sub(node.first)?) + 1;
            node.children = self.bytes.get(at + 2..at + 2 + count * 4)?;
            at += 2 + count * 4;
        }
        node.values = (offset & VALUES != 0).then_some(at);
        Some(node)
    }

    fn child(&self, node: &Node<'_>, c: u8) -> Option<Node<'_>> {
        let at = usize::from(c.checked_sub(node.first)?) * 4;
        let bytes = node.children.get(at..at + 4)?;
        self.node(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    fn values(&self, node: &Node<'_>) -> Vec<Value> {
        let mut found = Vec::new();
        let Some(mut at) = node.values else {
            return found;
        };
        let count = self.word(at).unwrap_or(0);
        at += 4;
        for _ in 0..count {
            let (Some(priority), Some(text)) = (self.word(at), self.text(at + 4)) else {
                break;
            };
            at += 4 + text.len() + 1;
            let text = String::from_utf8_lossy(text).into_owned();
            found.push(Value { priority, text });
        }
        found
    }

    /// The first value of a key.
    pub fn search(&self, key: &str) -> Option<String> {
        let mut rest = key.as_bytes();
        let mut node = self.node(self.root)?;
        loop {
            rest = rest.strip_prefix(node.prefix)?;
            let Some((c, tail)) = rest.split_first() else {
                return self.values(&node).into_iter().next().map(|v| v.text);
            };
            node = self.child(&node, *c)?;
            rest = tail;
        }
    }

    /// The values of all keys that match `name` when they are taken as patterns, by priority.
    pub fn search_patterns(&self, name: &str) -> Vec<String> {
        let mut found: Vec<Value> = Vec::new();
        let mut budget = MAX_WORK;
        let Some(mut node) = self.node(self.root) else {
            return Vec::new();
        };
        let mut rest = name.as_bytes();
        let mut key = Vec::new();
        // As long as nothing is a wildcard, there is one way to go.
        'walk: loop {
            for (i, c) in node.prefix.iter().enumerate() {
                if matches!(c, b'*' | b'?' | b'[') {
                    self.match_all(&node, i, &mut key, rest, &mut found, &mut budget);
                    break 'walk;
                }
                match rest.split_first() {
                    Some((next, tail)) if next == c => rest = tail,
                    _ => break 'walk,
                }
            }
            for wild in *b"*?[" {
                if let Some(child) = self.child(&node, wild) {
                    key.push(wild);
                    self.match_all(&child, 0, &mut key, rest, &mut found, &mut budget);
                    key.pop();
                }
            }
            let Some((c, tail)) = rest.split_first() else {
                add(&mut found, self.values(&node));
                break;
            };
            match self.child(&node, *c) {
                Some(child) => node = child,
                None => break,
            }
            rest = tail;
        }
        found.into_iter().map(|v| v.text).collect()
    }

    /// Compares every key below `node` as a pattern with `rest`. `from` is where the pattern begins in the prefix.
    fn match_all(
        &self,
        node: &Node<'_>,
        from: usize,
        key: &mut Vec<u8>,
        rest: &[u8],
        found: &mut Vec<Value>,
        budget: &mut usize,
    ) {
        let text = String::from_utf8_lossy(rest).into_owned();
        let at = (from, 0);
        self.walk(node, at, key, budget, &mut |key, values| {
            if fnmatch::matches(&String::from_utf8_lossy(key), &text) {
                add(found, values);
            }
        });
    }

    /// Visits the keys below a node, children before the node itself, as libkmod does. `at` is where to begin in the
    /// node's prefix, and the depth reached.
    fn walk(
        &self,
        node: &Node<'_>,
        at: (usize, usize),
        key: &mut Vec<u8>,
        budget: &mut usize,
        visit: &mut dyn FnMut(&[u8], Vec<Value>),
    ) {
        let (from, depth) = at;
        let len = key.len();
        if *budget == 0 || depth > MAX_DEPTH {
            return;
        }
        key.extend_from_slice(node.prefix.get(from..).unwrap_or_default());
        *budget = budget.saturating_sub(1 + key.len());
        for (i, child) in node.children.chunks_exact(4).enumerate() {
            let offset = child.try_into().map_or(0, u32::from_be_bytes);
            if let Some(child) = self.node(offset) {
                key.push(node.first.saturating_add(i as u8));
                self.walk(&child, (0, depth + 1), key, budget, visit);
                key.pop();
            }
        }
        if node.values.is_some() {
            let values = self.values(node);
            let size: usize = values.iter().map(|v| 1 + v.text.len()).sum();
            *budget = budget.saturating_sub(size);
            visit(key, values);
        }
        key.truncate(len);
    }

    /// All keys with their first value.
    pub fn all(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        if let Some(root) = self.node(self.root) {
            let mut budget = MAX_WORK;
            self.walk(
                &root,
                (0, 0),
                &mut Vec::new(),
                &mut budget,
                &mut |key, values| {
                    if let Some(value) = values.into_iter().next() {
                        all.insert(String::from_utf8_lossy(key).into_owned(), value.text);
                    }
                },
            );
        }
        all
    }
}

/// Puts values where their priority belongs; among equals the later one goes first, as in libkmod's `add_value`.
fn add(found: &mut Vec<Value>, values: Vec<Value>) {
    for value in values {
        let at = found.partition_point(|v| v.priority < value.priority);
        found.insert(at, value);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An index with each key in a chain of its own below the root's children, values given in order.
    pub fn build(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut by_first: BTreeMap<u8, Vec<(&str, &str)>> = BTreeMap::new();
        for (key, value) in pairs {
            by_first
                .entry(key.as_bytes()[0])
                .or_default()
                .push((&key[1..], value));
        }
        let mut out = [MAGIC.to_be_bytes(), 0x2_0001u32.to_be_bytes(), [0; 4]].concat();
        let root = node(&mut out, "", &by_first, &[]);
        out[8..12].copy_from_slice(&root.to_be_bytes());
        out
    }

    fn node(
        out: &mut Vec<u8>,
        prefix: &str,
        children: &BTreeMap<u8, Vec<(&str, &str)>>,
        values: &[&str],
    ) -> u32 {
        let mut offsets = BTreeMap::new();
        for (c, pairs) in children {
            let mut below: BTreeMap<u8, Vec<(&str, &str)>> = BTreeMap::new();
            let mut own = Vec::new();
            for (key, value) in pairs {
                match key.as_bytes().first() {
                    None => own.push(*value),
                    Some(c) => below.entry(*c).or_default().push((&key[1..], value)),
                }
            }
            // One key alone becomes a prefix.
            let offset = match pairs.as_slice() {
                [(key, value)] => node(out, key, &BTreeMap::new(), &[value]),
                _ => node(out, "", &below, &own),
            };
            offsets.insert(*c, offset);
        }
        let mut offset = out.len() as u32;
        if !prefix.is_empty() {
            offset |= PREFIX;
            out.extend_from_slice(prefix.as_bytes());
            out.push(0);
        }
        if let (Some((first, _)), Some((last, _))) =
            (offsets.first_key_value(), offsets.last_key_value())
        {
            offset |= CHILDREN;
            out.extend([*first, *last]);
            for c in *first..=*last {
                out.extend(offsets.get(&c).copied().unwrap_or(0).to_be_bytes());
            }
        }
        if !values.is_empty() {
            offset |= VALUES;
            out.extend((values.len() as u32).to_be_bytes());
            for (i, value) in values.iter().enumerate() {
                out.extend((i as u32).to_be_bytes());
                out.extend_from_slice(value.as_bytes());
                out.push(0);
            }
        }
        offset
    }

    #[test]
    fn keys_and_patterns_are_found() {
        let index = Index::new(build(&[
            ("virtio_blk", "kernel/a.ko:"),
            ("virtio_console", "kernel/b.ko: kernel/c.ko"),
            ("virtio:d00000003v*", "virtio_console"),
            ("virtio:d0000000[12]v*", "virtio_blk"),
            ("pci:v*d*", "other"),
        ]))
        .unwrap();
        assert_eq!(index.search("virtio_blk").as_deref(), Some("kernel/a.ko:"));
        assert_eq!(index.search("virtio"), None);
        assert_eq!(index.search("virtio_blkx"), None);
        let of = |name| index.search_patterns(name);
        assert_eq!(of("virtio:d00000003v00001AF4"), ["virtio_console"]);
        assert_eq!(of("virtio:d00000002v00001AF4"), ["virtio_blk"]);
        assert_eq!(of("virtio:d00000009v00001AF4"), [""; 0]);
        assert_eq!(of("virtio_blk"), ["kernel/a.ko:"]);
        assert_eq!(index.all().len(), 5);
    }

    #[test]
    fn what_is_no_index_is_told() {
        assert_eq!(Index::new(Vec::new()).unwrap_err(), "is truncated");
        assert!(Index::new(vec![1; 40]).unwrap_err().contains("magic"));
        let mut old = build(&[("a", "b")]);
        old[5] = 1;
        assert!(Index::new(old).unwrap_err().contains("version"));
    }

    proptest::proptest! {
        #[test]
        fn mutations_end(at in 12usize..400, value: u8, name in "[vab*:]{0,12}") {
            let mut bytes = build(&[("virtio:a*", "x"), ("virtio_b", "y"), ("ab", "z"), ("abc", "w")]);
            let at = 8 + at % (bytes.len() - 8);
            bytes[at] = value;
            if let Ok(index) = Index::new(bytes) {
                index.search(&name);
                index.search_patterns(&name);
                index.all();
            }
        }
    }
}
