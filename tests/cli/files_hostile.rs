//! Damaged and hostile files: no panic, no long wait, no great allocation.

use std::time::{Duration, Instant};

use crate::corpus::check::most;
use crate::files_support::{
    deflated, floats, npy, npy_header, read_bytes, safetensors, stored, zip,
};
use tempfile::tempdir;

/// A small good file of each kind: its name, the key to read, and its bytes.
fn good() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let c = npy("'<f4'", false, "(2, 3)", &floats(&[1.0; 6]));
    let fortran = npy("'>i2'", true, "(2, 3)", &[1; 12]);
    let header = r#"{"__metadata__":{"a":"b"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BOOL","shape":[4],"data_offsets":[24,28]}}"#;
    let tensors = safetensors(header, &[&floats(&[1.0; 6])[..], &[1, 0, 1, 0]].concat());
    let archive = zip(&[
        stored("a.npy", c.clone()),
        deflated("b.npy", fortran.clone()),
    ]);
    vec![
        ("c.npy", "", c),
        ("fortran.npy", "", fortran),
        ("stored.npz", ":a", archive.clone()),
        ("deflated.npz", ":b", archive),
        ("a.safetensors", ":a", tensors.clone()),
        ("b.safetensors", ":b", tensors),
    ]
}

/// Fails if a read takes more memory than the file accounts for, or much time.
fn bounded(work: impl FnOnce(&mut dyn FnMut(&str, &str, &[u8]) -> bool)) {
    let dir = tempdir().unwrap();
    work(&mut |name, key, bytes| {
        let start = Instant::now();
        let mut good = false;
        let held = allocation_counter::measure(|| {
            let result = read_bytes(dir.path(), name, key, bytes);
            if let Err(error) = &result {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
            good = result.is_ok();
        });
        assert!(start.elapsed() < Duration::from_secs(10));
        enough(name, bytes.len(), good, held.bytes_max);
        good
    });
}

/// Fails if `held` bytes are more than a file of `len` accounts for; one that is refused, more than what is unpacked of any archive to see.
fn enough(name: &str, len: usize, good: bool, held: u64) {
    let ending = name.rfind('.').map_or("", |at| &name[at..]);
    let most = match good {
        true => most(ending, len),
        false => most(ending, len).min((129 << 20) + 66 * len),
    };
    let enough = held <= most as u64;
    assert!(
        enough,
        "{name}: {held} bytes of memory, where {most} are enough"
    );
}

#[test]
#[should_panic = "bytes of memory"]
fn megabytes_for_a_hundred_bytes_are_noticed() {
    let held = allocation_counter::measure(|| drop(std::hint::black_box(vec![0u8; 3 << 20])));
    enough("a.npy", 100, true, held.bytes_max);
}

#[test]
#[should_panic = "bytes of memory"]
fn a_bomb_that_is_refused_too_late_is_noticed() {
    enough("a.npz", 1 << 20, false, 1 << 30);
}

/// A deflated stream of so many MiB of zeros, and how many bytes they are: a mebibyte is packed into a kilobyte, as often as it takes.
fn zeros(mebibytes: u64) -> (Vec<u8>, u64) {
    use flate2::{Compress, Compression, FlushCompress};
    let mut packer = Compress::new(Compression::best(), false);
    let mut one = vec![0; 1 << 16];
    let packed = packer.compress(&[0; 1 << 20], &mut one, FlushCompress::Full);
    packed.unwrap();
    one.truncate(packer.total_out() as usize);
    let mut all = one.repeat(mebibytes as usize);
    // A last block, which is empty.
    all.extend([3, 0]);
    (all, mebibytes << 20)
}

/// An archive with one deflated member of any bytes, which are said to unpack to so many.
fn packed(name: &str, bytes: &[u8], size: u32) -> Vec<u8> {
    let mut archive = zip(&[stored(name, bytes.to_vec())]);
    // Method and size, in front and in the directory.
    let directory = 30 + name.len() + bytes.len();
    for (start, method) in [(0, 8), (directory, 10)] {
        archive[start + method] = 8;
        let size_at = start + method + 14;
        archive[size_at..size_at + 4].copy_from_slice(&size.to_le_bytes());
    }
    archive
}

/// Random numbers below what is asked for, by SplitMix64.
fn noise(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

#[test]
fn every_file_cut_short_is_refused() {
    bounded(|read| {
        for (name, key, bytes) in good() {
            assert!(read(name, key, &bytes), "{name}");
            for len in 0..bytes.len() {
                assert!(!read(name, key, &bytes[..len]), "{name} of {len} bytes");
            }
        }
    });
}

#[test]
fn no_damage_makes_it_panic() {
    const MUTATIONS: u32 = 12_000;
    let mut random = noise(0x5eed);
    const TELLING: &[u8] = b"\0\x01\x7f\x80\xff0129()[]{}',:\"-LTF<>|PK";
    bounded(|read| {
        for (name, key, good) in good() {
            for _ in 0..MUTATIONS {
                let mut bytes = good.clone();
                for _ in 0..=random(4) {
                    let at = random(bytes.len());
                    match random(6) {
                        0 => bytes[at] ^= 1 << random(8),
                        1 => bytes[at] = random(256) as u8,
                        2 => bytes[at] = TELLING[random(TELLING.len())],
                        3 => bytes.insert(at, TELLING[random(TELLING.len())]),
                        4 if bytes.len() > 1 => drop(bytes.remove(at)),
                        _ => {
                            let end = (at + 1 + random(8)).min(bytes.len());
                            bytes[at..end].fill(0xff);
                        }
                    }
                }
                read(name, key, &bytes);
            }
        }
    });
}

#[test]
fn lies_in_the_header_of_npy_are_refused() {
    let data = floats(&[1.0; 6]);
    let many = |axis: &str, count: usize| format!("({})", axis.repeat(count));
    let mut bad: Vec<Vec<u8>> = [
        "(7,)",
        "(5,)",
        "(6, 0)",
        "()",
        "(6)",
        "[6]",
        "6",
        "(6",
        "(,)",
        "(6,,)",
        "(6 1)",
        "(-6,)",
        "(+6,)",
        "(6.0,)",
        "(0x6,)",
        "(L,)",
        "((6,),)",
        "('6',)",
        "(None,)",
        "(1099511627776,)",
        "(9223372036854775807,)",
        "(18446744073709551615,)",
        "(18446744073709551616,)",
        "(4611686018427387910, 4)",
        "(4294967296, 4294967296)",
        "(0, 4294967296, 4294967296)",
        &many("6, ", 5000),
        &many("1, ", 65),
        &many("0, ", 65),
        &many("(", 20_000),
    ]
    .iter()
    .map(|shape| npy("'<f4'", false, shape, &data))
    .collect();
    for descr in [
        "'<f4",
        "'<f4\\'",
        "f4",
        "None",
        "[",
        "[('a', '<f4'",
        "['",
        &"(".repeat(20_000),
        &"[".repeat(20_000),
        &format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)),
    ] {
        bad.push(npy(descr, false, "(6,)", &data));
    }
    for header in [
        "",
        "{",
        "}",
        "{}",
        "[]",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)",
        "{,}",
    ] {
        bad.push(npy_header(1, header, &data));
    }
    // Headers longer than the file, and longer than any header is.
    for len in [200, 65_535, 65_537, u32::MAX] {
        for version in [1, 2, 3] {
            let mut file = npy_header(version, "{}", &data);
            if version == 1 {
                file[8..10].copy_from_slice(&(len as u16).max(200).to_le_bytes());
            } else {
                file[8..12].copy_from_slice(&len.to_le_bytes());
            }
            bad.push(file);
        }
    }
    bad.push(npy_header(2, &" ".repeat(1 << 20), &data));
    bounded(|read| {
        for bytes in bad {
            let header = String::from_utf8_lossy(&bytes).into_owned();
            assert!(!read("a.npy", "", &bytes), "{header}");
            let archive = zip(&[deflated("a.npy", bytes)]);
            assert!(!read("a.npz", ":a", &archive), "{header}");
        }
    });
}

#[test]
fn lies_about_sizes_in_zip_and_safetensors_are_refused() {
    bounded(|read| {
        // 5 MiB that claim to be 4 GiB: zeros, at a ratio that cannot be, and noise, at one that
        // could.
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1073741000,), }";
        let mut random = noise(1);
        for noisy in [false, true] {
            let data = (0..5 << 20).map(|_| if noisy { random(256) as u8 } else { 0 });
            let mut member = deflated("a.npy", npy_header(1, text, &data.collect::<Vec<u8>>()));
            member.lie = (4 * 1_073_741_000u64 - (5 << 20)) as u32;
            assert!(!read("a.npz", "", &zip(&[member])));
        }

        for size in [0, 1, 3, 100, 100_000_000, 1 << 40, u64::MAX - 8, u64::MAX] {
            let mut file = safetensors("{}", &[0; 16]);
            file[..8].copy_from_slice(&size.to_le_bytes());
            assert!(!read("a.safetensors", ":a", &file));
        }
        for (begin, end) in [(0, 1u64 << 60), (1 << 60, 1 << 60), (u64::MAX, 0)] {
            let shape = end.wrapping_sub(begin);
            let header = format!(
                r#"{{"a":{{"dtype":"U8","shape":[{shape}],"data_offsets":[{begin},{end}]}}}}"#
            );
            assert!(!read("a.safetensors", ":a", &safetensors(&header, &[])));
        }
    });
}

#[test]
fn large_headers_take_no_more_memory_than_the_file() {
    bounded(|read| {
        let zeros = "0,".repeat(4 << 20);
        for header in [
            format!(r#"{{"a":{{"dtype":"U8","shape":[{zeros}0],"data_offsets":[0,0]}}}}"#),
            format!(r#"{{"__metadata__":[{zeros}0]}}"#),
            format!(
                r#"{{"__metadata__":{}0{}}}"#,
                "[".repeat(4 << 20),
                "]".repeat(4 << 20)
            ),
            format!("{{{}}}", r#""":0,"#.repeat(1 << 20)),
        ] {
            assert!(!read("a.safetensors", ":a", &safetensors(&header, &[])));
        }
        let entry = r#""a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"#;
        let header = format!("{{{}}}", entry.repeat(1 << 16).trim_end_matches(','));
        assert!(!read("a.safetensors", ":a", &safetensors(&header, &[])));
    });
}

/// What unpacks to a thousand times itself is refused where that would be much, and else stops where it said it ends.
#[test]
fn bombs_do_not_go_off() {
    let start = npy_header(
        1,
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1073741952,), }",
        &[],
    );
    // A stored block in front of the zeros.
    let mut stream = vec![0];
    stream.extend((start.len() as u16).to_le_bytes());
    stream.extend((!(start.len() as u16)).to_le_bytes());
    stream.extend(&start);
    let (zeros, size) = zeros(1200);
    stream.extend(zeros);
    assert!(stream.len() < 4 << 20, "{} bytes", stream.len());
    bounded(|read| {
        for claim in [
            size as u32 + start.len() as u32,
            (1 << 30) + 128 + start.len() as u32,
            u32::MAX - 1,
            1 << 16,
            128,
            1,
        ] {
            let archive = packed("a.npy", &stream, claim);
            assert!(!read("a.npz", ":a", &archive), "{claim}");
        }
        // The same a thousand times over, each time as the only one that is asked for.
        let member = |n: usize| (format!("a{n}.npy"), stream.get(..1 << 12).unwrap().to_vec());
        let members: Vec<_> = (0..1000).map(member).collect();
        let members: Vec<_> = members.iter().map(|(n, d)| stored(n, d.clone())).collect();
        assert!(!read("a.npz", ":a7", &zip(&members)));
    });
}

/// The most that is unpacked is what an array has that is really there.
#[test]
fn arrays_of_zeros_are_read_as_large_as_they_are() {
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 1048576), }";
    let array = npy_header(1, header, &vec![0; 4 << 20]);
    let archive = zip(&[deflated("a.npy", array)]);
    assert!(archive.len() < 8192, "{} bytes", archive.len());
    bounded(|read| assert!(read("a.npz", ":a", &archive)));
}

#[test]
fn archives_in_archives_and_members_over_each_other() {
    let array = npy("'<f4'", false, "(3,)", &floats(&[1.0; 3]));
    bounded(|read| {
        // An archive is no array, however deep it lies.
        let mut nested = zip(&[stored("a.npy", array.clone())]);
        for _ in 0..16 {
            nested = zip(&[deflated("a.npy", nested)]);
            assert!(!read("a.npz", ":a", &nested));
        }
        // Ten thousand entries of the directory that all mean the same bytes.
        let one = zip(&[stored("a.npy", array.clone())]);
        let entries = 30 + "a.npy".len() + array.len()..one.len() - 22;
        let count = 10_000u16;
        let mut many = one[..entries.start].to_vec();
        for n in 0..count {
            let mut entry = one[entries.clone()].to_vec();
            entry.truncate(46);
            let name = format!("a{n}.npy");
            entry[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
            many.extend(entry);
            many.extend(name.bytes());
        }
        let size = (many.len() - entries.start) as u32;
        let mut end = one[entries.end..].to_vec();
        end[8..10].copy_from_slice(&count.to_le_bytes());
        end[10..12].copy_from_slice(&count.to_le_bytes());
        end[12..16].copy_from_slice(&size.to_le_bytes());
        many.extend(end);
        // Whether an array that others lie over is read or not: there is no more of it than one.
        read("a.npz", ":a77", &many);
        read("a.npz", "", &many);
        // An entry that begins inside another, and one that begins in the directory.
        for offset in [1u32, 31, 40, entries.start as u32, u32::MAX] {
            let mut moved = one.clone();
            let at = entries.start + 42;
            moved[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            assert!(!read("a.npz", ":a", &moved), "{offset}");
        }
    });
}

/// Headers and directories as long as they may be, of files that are as long: what is held of them is no more than a few times that.
#[test]
fn the_longest_headers_are_read_in_bounds() {
    bounded(|read| {
        for length in [65_000, 65_535, 65_536] {
            let spaces = " ".repeat(length);
            let header =
                format!("{{'descr': '<f4', 'fortran_order': False, 'shape': (0,), {spaces}");
            read("a.npy", "", &npy_header(2, &header, &[]));
        }
        let tensor = r#""NAME":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
        let names = (0..200_000).map(|n| tensor.replace("NAME", &format!("tensor number {n}")));
        let header = format!("{{{}}}", names.collect::<Vec<_>>().join(","));
        assert!(read(
            "a.safetensors",
            ":tensor number 199999",
            &safetensors(&header, &[])
        ));
        let name = "n".repeat(8 << 20);
        let header = format!("{{{}}}", tensor.replace("NAME", &name));
        assert!(read("a.safetensors", "", &safetensors(&header, &[])));
        assert!(!read("a.safetensors", ":n", &safetensors(&header, &[])));
    });
}
