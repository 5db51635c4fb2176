//! Readers that have not landed yet.

use crate::inspect::cmdline::CmdlineFacts;
use crate::inspect::error::{Error, Fact};
use crate::inspect::filesystem::FileSystem;
use crate::inspect::initrd::InitrdFacts;
use crate::inspect::modules::ModuleFacts;
use crate::inspect::source::Location;
use std::sync::Arc;

fn not_read<T>(fs: &Arc<dyn FileSystem>) -> Fact<T> {
    let place = Location::partition(fs.partition());
    Fact::Unreadable(Error::unsupported(place, "is not read yet"))
}

pub fn modules(
    rootfs: &Arc<dyn FileSystem>,
    _release: Option<&str>,
    _initrd: &Fact<InitrdFacts>,
    _cmdline: &Fact<CmdlineFacts>,
    _wanted: &[(&str, Option<&str>)],
) -> Fact<ModuleFacts> {
    not_read(rootfs)
}
