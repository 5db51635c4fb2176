//! FAT12/16/32 through the fatfs crate, behind a reader that bounds its I/O.
