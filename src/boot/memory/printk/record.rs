//! One record of the kernel log.

/// `LOG_CONT` of kernel/printk/printk.c (`enum printk_info_flags`): continues the line before.
const LOG_CONT: u8 = 8;

/// A record, as `/dev/kmsg` would give it (Documentation/ABI/testing/dev-kmsg).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Sequence number since boot.
    pub seq: u64,
    /// Nanoseconds of the kernel's local clock.
    pub nanoseconds: u64,
    /// Syslog level 0–7.
    pub level: u8,
    /// Syslog facility.
    pub facility: u8,
    /// `LOG_NEWLINE`, `LOG_CONT` of the kernel.
    pub flags: u8,
    /// Task id, or `0x80000000` + CPU.
    pub caller: u32,
    /// Text, maybe of several lines. Raw guest bytes.
    pub text: Vec<u8>,
    /// `SUBSYSTEM=` of `dev_printk`.
    pub subsystem: Vec<u8>,
    /// `DEVICE=` of `dev_printk`.
    pub device: Vec<u8>,
    /// The kernel had not finalised the record: more might have been appended to its line.
    pub open: bool,
}

impl Record {
    /// The text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// Guest time in seconds.
    pub fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// Continues the line of the record before.
    pub fn continues(&self) -> bool {
        self.flags & LOG_CONT != 0
    }

    /// Who printed it: `T123` a task, `C1` a CPU outside of tasks.
    pub fn caller(&self) -> String {
        match self.caller & 0x8000_0000 {
            0 => format!("T{}", self.caller),
            _ => format!("C{}", self.caller & 0x7fff_ffff),
        }
    }

    /// The record as `/dev/kmsg` writes it, without the caller (which depends on `CONFIG_PRINTK_CALLER`).
    pub fn kmsg(&self) -> String {
        let mut line = format!(
            "{},{},{},{};",
            (u32::from(self.facility) << 3) | u32::from(self.level),
            self.seq,
            self.nanoseconds / 1000,
            if self.continues() { 'c' } else { '-' },
        );
        escape(&self.text, &mut line);
        line.push('\n');
        for (key, value) in [("SUBSYSTEM", &self.subsystem), ("DEVICE", &self.device)] {
            if !value.is_empty() {
                line.push_str(&format!(" {key}="));
                escape(value, &mut line);
                line.push('\n');
            }
        }
        line
    }
}

/// As `append_char` and `msg_add_ext_text` of the kernel do.
fn escape(bytes: &[u8], line: &mut String) {
    for byte in bytes {
        match byte {
            b'\\' | 0..32 | 127.. => line.push_str(&format!("\\x{byte:02x}")),
            _ => line.push(char::from(*byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kmsg_form_is_the_kernels() {
        let record = Record {
            seq: 7,
            nanoseconds: 1_234_567,
            level: 6,
            facility: 3,
            flags: LOG_CONT,
            caller: 0x8000_0001,
            text: b"a\\b\tc\n\xe9".to_vec(),
            subsystem: b"pci".to_vec(),
            device: b"+pci:0000:00:1f.2".to_vec(),
            open: false,
        };
        assert_eq!(
            record.kmsg(),
            "30,7,1234,c;a\\x5cb\\x09c\\x0a\\xe9\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:1f.2\n"
        );
        assert_eq!(record.caller(), "C1");
    }
}
