//! Placeholder head, filled by its owner.
