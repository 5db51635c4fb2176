//! The environment block, `grubenv` (GRUB manual, "The GRUB environment block").

use crate::inspect::source::{Origin, SourceFile};
use std::sync::Arc;

const SIGNATURE: &str = "# GRUB Environment Block\n";

/// Variables of a block with their lines; none when it has no signature.
pub fn parse(file: &Arc<SourceFile>) -> Option<Vec<(String, String, Origin)>> {
    let text = file.text.strip_prefix(SIGNATURE)?;
    let mut found = Vec::new();
    let mut chars = text.chars();
    let mut line = 2;
    loop {
        let start = line;
        let mut variable = String::new();
        let mut ended = false;
        while let Some(c) = chars.next() {
            match c {
                '\n' => {
                    line += 1;
                    ended = true;
                    break;
                }
                // A backslash keeps the next character, also a newline.
                '\\' => {
                    if let Some(c) = chars.next() {
                        line += u32::from(c == '\n');
                        variable.push(c);
                    }
                }
                c => variable.push(c),
            }
        }
        if !variable.starts_with('#')
            && let Some((name, value)) = variable.split_once('=')
        {
            let origin = Origin::line(file, start);
            found.push((name.to_owned(), value.to_owned(), origin));
        }
        if !ended {
            return Some(found);
        }
    }
}
