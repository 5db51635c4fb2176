use super::*;
use crate::boot::memory::tests::Bytes;

const RAM: usize = 0x20_0000;

fn ram(entries: &[(usize, u64)]) -> Arc<dyn GuestMemory> {
    let mut ram = vec![0; RAM];
    for (at, entry) in entries {
        ram[*at..at + 8].copy_from_slice(&entry.to_le_bytes());
    }
    ram[0x1_0000..0x1_0008].copy_from_slice(b"contents");
    Arc::new(Bytes::new(0, ram))
}

fn space(memory: Arc<dyn GuestMemory>, text: &str) -> Space {
    let text = format!("OSRELEASE=6.1\n{text}");
    Space::new(memory, &VmCoreInfo::parse(0, text.as_bytes()).unwrap()).unwrap()
}

const X86: &str = "SYMBOL(swapper_pg_dir)=ffffffff80001000\nNUMBER(phys_base)=0\n";

#[test]
fn four_and_five_levels_and_large_pages() {
    let va = 0xff11_0000_4020_0123u64;
    let index = |level: u32| ((va >> (12 + 9 * level)) & 0x1ff) as usize * 8;
    let memory = ram(&[
        (0x1000 + index(4), 0x2003),
        (0x1000 + index(3), 0x3003),
        (0x2000 + index(3), 0x3003),
        (0x3000 + index(2), 0x4003),
        (0x4000 + index(1), 0x5003),
        (0x5000 + index(0), 0x8000_0000_0001_0003),
        // The 2 MiB page behind it, and a 1 GiB page behind that.
        (0x4000 + index(1) + 8, 0x0060_00e3),
        (0x3000 + index(2) + 8, 0xc000_00e3),
    ]);
    for levels in ["", "NUMBER(pgtable_l5_enabled)=1\n"] {
        let space = space(Arc::clone(&memory), &format!("{X86}{levels}"));
        let mapped = space.translate(va).unwrap();
        assert_eq!(
            mapped,
            Mapped {
                address: 0x1_0123,
                left: 0x1000 - 0x123
            }
        );
        let large = space.translate(va + 0x20_0000).unwrap();
        assert_eq!((large.address, large.left), (0x60_0123, 0x20_0000 - 0x123));
        let huge = space.translate(va + 0x4000_0000).unwrap();
        assert_eq!(huge.address, 0xc000_0000 + (va & 0x3fff_ffff));
        assert_eq!(space.translate(va + 0x1000), None);
    }
}

#[test]
fn the_kernel_image_needs_no_tables() {
    let space = space(
        ram(&[]),
        "SYMBOL(swapper_pg_dir)=ffffffff80001000\nNUMBER(phys_base)=-4096\n",
    );
    let mapped = space.translate(0xffff_ffff_8000_2000).unwrap();
    assert_eq!(mapped.address, 0x1000);
    assert_eq!(space.translate(0xffff_ffff_c000_0000), None);
    assert_eq!(space.translate(0x1000), None);
}

#[test]
fn arm64_of_every_granule() {
    // Linear map of 48 bits, 4 KiB pages: level 0 to 3; the last but one maps a block of 2 MiB.
    let va = 0xffff_8000_4020_0123u64;
    let voffset = 0xffff_8000_0000_0000u64;
    let root = format!("{:x}", voffset + 0x1000);
    let index = |shift: u32, bits: u32| ((va >> shift) & ((1 << bits) - 1)) as usize * 8;
    let memory = ram(&[
        (0x1000 + index(39, 9), 0x2003),
        (0x2000 + index(30, 9), 0x3003),
        (0x3000 + index(21, 9), 0x0060_0701),
    ]);
    let text = |page: u32, bits: u32| {
        format!(
            "PAGESIZE={page}\nSYMBOL(swapper_pg_dir)={root}\nSYMBOL(_stext)={root}\nNUMBER(VA_BITS)={bits}\nNUMBER(kimage_voffset)={voffset:#x}\n"
        )
    };
    let mapped = space(memory, &text(4096, 48)).translate(va).unwrap();
    assert_eq!(
        (mapped.address, mapped.left),
        (0x60_0123, 0x20_0000 - 0x123)
    );
    // 64 KiB pages, 42 bits: two levels.
    let memory = ram(&[
        (0x1000 + index(29, 13), 0x1_0003),
        (0x1_0000 + index(16, 13), 0x1_0703),
    ]);
    let mapped = space(memory, &text(65536, 42)).translate(va).unwrap();
    assert_eq!((mapped.address, mapped.left), (0x1_0123, 0x1_0000 - 0x123));
}

#[test]
fn tables_that_point_at_themselves_end() {
    let mut loops = Vec::new();
    for index in 0..512 {
        loops.push((0x1000 + index * 8, 0x1003));
    }
    let space = space(ram(&loops), X86);
    assert!(space.translate(0x1234).is_some());
    let mut buf = [0; 9000];
    assert!(space.read(u64::MAX - 5, &mut buf).is_ok());
}
#[test]
fn windows_join_what_touches() {
    let space = space(ram(&[]), X86);
    let window = space.window(0xffff_ffff_8000_fff0, 0x100).unwrap();
    let mut buf = [0; 8];
    window.read(0x10, &mut buf).unwrap();
    assert_eq!(&buf, b"contents");
    assert!(window.read(0xf9, &mut buf).is_err());
    assert!(window.read(u64::MAX, &mut buf).is_err());
    assert!(space.window(0x1000, 1).is_none());
}
