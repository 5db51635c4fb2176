//! Facts + timeline → verdict.
