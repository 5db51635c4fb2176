//! Guest memory: its layout, the kernel log and the journal inside it.
