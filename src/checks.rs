//! Judges facts: one generic check per file, parameterised by rules.
