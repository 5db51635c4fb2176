use super::entry::Entry;
use super::fake::Writer;
use super::file::{Bytes, Journal};
use proptest::prelude::*;

impl Bytes for &[u8] {
    fn size(&self) -> u64 {
        (**self).size()
    }
    fn fill(&self, offset: u64, buf: &mut [u8]) -> bool {
        (**self).fill(offset, buf)
    }
}

/// A file of which one page is not in memory.
struct Holed<'a>(&'a [u8], u64);

impl Bytes for Holed<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn fill(&self, offset: u64, buf: &mut [u8]) -> bool {
        let end = offset.saturating_add(buf.len() as u64);
        (end <= self.1 * 4096 || offset >= (self.1 + 1) * 4096) && self.0.fill(offset, buf)
    }
}

fn sample(compact: bool, entries: usize) -> Vec<u8> {
    let mut writer = Writer::new(compact);
    for n in 0..entries {
        writer.entry(&[
            &format!("MESSAGE=line {n}"),
            "_SYSTEMD_UNIT=a.service",
            "PRIORITY=6",
        ]);
    }
    writer.finish()
}

fn messages(entries: &[Entry]) -> Vec<String> {
    entries.iter().filter_map(|e| e.text("MESSAGE")).collect()
}

#[test]
fn entries_of_both_forms() {
    for compact in [false, true] {
        let file = sample(compact, 5);
        let entries = Journal::open(&file[..]).unwrap().entries();
        assert_eq!(messages(&entries)[4], "line 4");
        assert_eq!(entries.len(), 5);
        assert_eq!(entries[2].seqnum, 3);
        assert_eq!(entries[2].monotonic, 3000);
        assert_eq!(entries[2].text("_SYSTEMD_UNIT").unwrap(), "a.service");
        assert_eq!(entries[2].fields.len(), 3);
        assert_eq!(entries[2].field("MESS"), None);
    }
}

#[test]
fn compressed_fields_are_read() {
    let mut writer = Writer::new(true);
    let text = format!("MESSAGE={}", "x".repeat(3000));
    let data = writer.data(4, &zstd::encode_all(text.as_bytes(), 3).unwrap());
    writer.link(&[data]);
    let file = writer.finish();
    let entries = Journal::open(&file[..]).unwrap().entries();
    assert_eq!(messages(&entries)[0].len(), 3000);
}

#[test]
fn what_a_missing_page_hides_is_found_through_the_arrays() {
    let file = sample(false, 100);
    assert!(file.len() > 5 * 4096);
    let all = Journal::open(&file[..]).unwrap().entries();
    let holed = Journal::open(Holed(&file, 2)).unwrap().entries();
    let whole: Vec<&Entry> = holed.iter().filter(|e| e.lost == 0).collect();
    assert!(whole.len() > 70, "{}", whole.len());
    assert!(whole.iter().all(|e| all.contains(e)));
    assert_eq!(messages(&holed).last().unwrap(), "line 99");
}

#[test]
fn a_growing_file_gives_only_what_is_new() {
    let mut writer = Writer::new(false);
    writer.entry(&["MESSAGE=one"]);
    let first = writer.bytes.clone();
    let mut journal = Journal::open(&first[..]).unwrap();
    let before = journal.progress().unwrap();
    assert_eq!(messages(&journal.entries()), ["one"]);
    writer.entry(&["MESSAGE=two"]);
    let second = writer.bytes.clone();
    let mut journal = Journal::open(&second[..]).unwrap();
    assert_ne!(journal.progress().unwrap(), before);
    let new = journal.entries_from(before.tail_object);
    assert_eq!(
        messages(&new),
        ["one", "two"],
        "the newest known one begins"
    );
}

#[test]
fn a_half_written_entry_is_no_entry() {
    let mut writer = Writer::new(false);
    let at = writer.entry(&["MESSAGE=one"]);
    writer.long(at + 16, 0);
    assert_eq!(Journal::open(&writer.bytes[..]).unwrap().entries(), []);
    writer.long(at + 16, 1);
    writer.long(at + 64, 0x1_0000_0000);
    let entries = Journal::open(&writer.bytes[..]).unwrap().entries();
    assert_eq!((entries[0].lost, entries[0].fields.len()), (1, 0));
}

#[test]
fn other_files_are_no_journals() {
    assert!(Journal::open(&b""[..]).is_none());
    assert!(Journal::open(&[0; 4096][..]).is_none());
    let mut file = sample(false, 1);
    file[88] = 1;
    assert!(Journal::open(&file[..]).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic_or_hang(
        compact: bool,
        pokes in prop::collection::vec((0usize..6000, prop_oneof![any::<u64>(), 0..6000u64, 0..32u64]), 1..40),
        cut in 0usize..7000,
    ) {
        let mut file = sample(compact, 20);
        for (at, value) in pokes {
            let at = at.min(file.len() - 8);
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        for bytes in [&file[..], &file[..cut.min(file.len())]] {
            if let Some(mut journal) = Journal::open(bytes) {
                journal.entries();
                journal.entries_from(272);
            }
        }
    }
}
