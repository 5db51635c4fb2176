use super::fake::{Guest, RAM, State};
use super::follow::{Follower, Poll, Status};
use super::log::{Log, Stats, explain, logs, read_all};
use super::{NoLog, Record};
use crate::boot::memory::tests::Bytes;
use crate::boot::memory::vmcoreinfo::tests::note;
use crate::boot::memory::{GuestMemory, PAGE};
use proptest::prelude::*;
use std::sync::Arc;

fn log(guest: &Guest) -> Log {
    logs(&guest.memory()).0.pop().unwrap()
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::text).collect()
}

fn followed(guest: &Guest) -> Follower {
    let mut follower = Follower::new(guest.memory());
    assert!(matches!(follower.search(), Status::Found { .. }));
    follower
}

#[test]
fn records_come_whole() {
    let guest = Guest::boot("6.1.0");
    assert_eq!(read_all(&log(&guest).ring), (vec![], Stats::default()));
    guest.print("Linux version 6.1.0");
    guest.print("");
    guest.print("two\nlines");
    let (records, stats) = read_all(&log(&guest).ring);
    assert_eq!(records, guest.model());
    assert_eq!(stats.records, 3);
    assert_eq!(records[2].level, 6);
    assert_eq!(records[2].device, b"+pci:0000:00:1f.2");
}

#[test]
fn a_block_that_just_fits_or_wraps_is_read() {
    for first in 900..1017 {
        let guest = Guest::boot("6.1.0");
        guest.print(&"x".repeat(first));
        guest.print("after");
        let (records, stats) = read_all(&log(&guest).ring);
        assert_eq!(records, guest.model(), "{first}");
        assert_eq!(stats.torn, 0);
    }
}

#[test]
fn a_block_of_another_record_is_torn_and_not_shown() {
    let guest = Guest::boot("6.1.0");
    guest.print("first");
    guest.print("second");
    guest.poke(Guest::text_at(0), &[0xff; 8]);
    let (records, stats) = read_all(&log(&guest).ring);
    assert_eq!(texts(&records), ["second"]);
    assert_eq!((stats.torn, stats.records), (1, 1));
}

#[test]
fn following_gives_each_record_once() {
    let guest = Guest::boot("6.1.0");
    let mut follower = followed(&guest);
    let mut given = Vec::new();
    for n in 0..200 {
        guest.print(&format!("line {n}"));
        if n % 3 == 0 {
            given.extend(follower.poll().records);
        }
    }
    given.extend(follower.poll().records);
    let seqs: Vec<u64> = given.iter().map(|r| r.seq).collect();
    assert_eq!(seqs, (0..200).collect::<Vec<_>>());
    assert_eq!(follower.poll().records, []);
}

#[test]
fn what_was_overwritten_is_counted() {
    let guest = Guest::boot("6.1.0");
    let mut follower = followed(&guest);
    guest.print("seen");
    follower.poll();
    for n in 0..100 {
        guest.print(&format!("line {n}"));
    }
    let poll = follower.poll();
    assert_eq!(poll.records.len() as u64 + poll.stats.recycled, 100);
    assert_eq!(texts(&poll.records).last().unwrap(), "line 99");
}

#[test]
fn an_unfinished_record_holds_up_the_others_for_a_while_only() {
    let guest = Guest::boot("6.1.0");
    let mut follower = followed(&guest);
    guest.print_as("never ends", State::Reserved);
    assert_eq!(follower.poll().records, []);
    guest.print("behind it");
    assert_eq!(follower.poll().records, []);
    let later: Vec<Poll> = (0..20).map(|_| follower.poll()).collect();
    let records: Vec<Record> = later.iter().flat_map(|p| p.records.clone()).collect();
    assert_eq!(texts(&records), ["behind it"]);
    assert_eq!(later.iter().map(|p| p.stats.unfinished).sum::<u64>(), 1);
}

#[test]
fn an_open_line_is_given_when_it_ends() {
    let guest = Guest::boot("6.1.0");
    let mut follower = followed(&guest);
    guest.print_as("Freeing memory...", State::Committed);
    for _ in 0..50 {
        assert_eq!(follower.poll().records, []);
    }
    guest.set_newest(State::Finalized);
    assert_eq!(texts(&follower.poll().records), ["Freeing memory..."]);
    guest.print_as("the last words", State::Committed);
    assert_eq!(follower.poll().records, []);
    let last = follower.finish().records;
    assert_eq!(texts(&last), ["the last words"]);
    assert!(last[0].open);
}

#[test]
fn a_reboot_starts_anew() {
    let guest = Guest::boot("6.1.0");
    let mut follower = followed(&guest);
    guest.print("one");
    guest.print("two");
    assert_eq!(follower.poll().records.len(), 2);
    assert_eq!(follower.search(), Status::Same);
    // The same kernel at the same place, without KASLR: its note is the same.
    guest.reboot("6.1.0");
    guest.print("again one");
    let poll = follower.poll();
    assert_eq!(
        poll.status,
        Status::Rebooted {
            release: "6.1.0".into()
        }
    );
    assert_eq!(texts(&poll.records), ["again one"]);
    // Another kernel.
    guest.reboot("6.12.0");
    guest.print("third");
    let poll = follower.poll();
    assert_eq!(poll.records, []);
    assert_eq!(
        follower.search(),
        Status::Rebooted {
            release: "6.12.0".into()
        }
    );
    assert_eq!(texts(&follower.poll().records), ["third"]);
}

#[test]
fn kernels_without_a_log_are_named() {
    let page = |note: Vec<u8>| {
        let mut page = note;
        page.resize(PAGE as usize, 0);
        let memory: Arc<dyn GuestMemory> = Arc::new(Bytes::new(0, page));
        logs(&memory).1.unwrap()
    };
    let old = page(note(
        "OSRELEASE=5.4.0-9-amd64\nSYMBOL(swapper_pg_dir)=ffffffff80000000\nNUMBER(phys_base)=0\n",
    ));
    assert!(old.to_string().contains("5.4.0-9-amd64 is too old"));
    let bare = page(note("OSRELEASE=6.1.0\n"));
    assert!(bare.to_string().contains("swapper_pg_dir"), "{bare}");
    let unprinted = page(note(
        "OSRELEASE=6.1.0\nSYMBOL(swapper_pg_dir)=ffffffff80000000\nNUMBER(phys_base)=0\nOFFSET(prb_desc.text_blk_lpos)=8\n",
    ));
    assert!(matches!(unprinted, NoLog::Incomplete { .. }), "{unprinted}");
}

#[test]
fn a_banner_without_a_note_names_the_missing_option() {
    let mut ram = vec![0; 5000];
    assert_eq!(explain(&Bytes::new(0, ram.clone())), NoLog::NoKernel);
    let banner = b"\xffLinux version 6.6.9-tiny (me@here) (gcc) #1\n";
    ram[100..100 + banner.len()].copy_from_slice(banner);
    let why = explain(&Bytes::new(0, ram)).to_string();
    assert!(
        why.starts_with("Linux version 6.6.9-tiny is in guest memory"),
        "{why}"
    );
    assert!(why.contains("CONFIG_VMCORE_INFO"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_log_is_decoded_like_the_model(lengths in prop::collection::vec(0usize..500, 1..120)) {
        let guest = Guest::boot("6.1.0");
        for (n, len) in lengths.iter().enumerate() {
            guest.print(&format!("{n:#>len$}"));
        }
        let (records, stats) = read_all(&log(&guest).ring);
        prop_assert_eq!(records, guest.model());
        prop_assert_eq!(stats.torn, 0);
        prop_assert_eq!(stats.recycled + stats.records, lengths.len() as u64);
    }

    #[test]
    fn damaged_memory_never_panics_or_hangs(
        pokes in prop::collection::vec((0..RAM, any::<u64>()), 1..40),
        cut in 0..RAM,
    ) {
        let guest = Guest::boot("6.1.0");
        for n in 0..50 {
            guest.print(&format!("line {n}"));
        }
        let mut follower = Follower::new(guest.memory());
        follower.search();
        follower.poll();
        let mut ram = guest.ram();
        for (at, value) in pokes {
            let at = at.min(RAM - 8);
            guest.poke(at, &value.to_le_bytes());
            ram[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
            follower.poll();
        }
        follower.search();
        follower.finish();
        ram.truncate(cut as usize);
        let memory: Arc<dyn GuestMemory> = Arc::new(Bytes::new(0, ram));
        for log in logs(&memory).0 {
            read_all(&log.ring);
        }
        explain(&*memory);
    }

    #[test]
    fn random_structures_never_panic(ring in prop::collection::vec(any::<u8>(), 0x100)) {
        // The note stays, so that decoding gets as far as it can.
        let guest = Guest::boot("6.1.0");
        guest.print("x");
        guest.poke(0x2100, &ring);
        for log in logs(&guest.memory()).0 {
            read_all(&log.ring);
        }
    }
}
