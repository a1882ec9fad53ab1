//! Pictures of losses.

use super::bench::Bench;
use flate2::Crc;
use flate2::read::ZlibDecoder;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

/// The pixels of a PNG as the program writes it, and how many are in a line.
fn decode(name: &str, file: &[u8]) -> (usize, Vec<[u8; 3]>) {
    let mut rest = file.strip_prefix(b"\x89PNG\r\n\x1a\n").expect(name);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap()) as usize;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(8);
        let (contents, tail) = tail.split_at(number(&head[..4]));
        let mut sum = Crc::new();
        sum.update(&head[4..]);
        sum.update(contents);
        assert_eq!(number(&tail[..4]), sum.sum() as usize, "{name}");
        chunks.push((&head[4..], contents));
        rest = &tail[4..];
    }
    let kinds: Vec<_> = chunks.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [b"IHDR", b"IDAT", b"IEND"], "{name}");
    let (width, height) = (number(&chunks[0].1[..4]), number(&chunks[0].1[4..8]));
    assert_eq!(chunks[0].1[8..], [8, 2, 0, 0, 0], "{name}");
    let mut lines = Vec::new();
    ZlibDecoder::new(chunks[1].1)
        .read_to_end(&mut lines)
        .expect(name);
    assert_eq!(lines.len(), height * (1 + 3 * width), "{name}");
    let pixels = lines.chunks(1 + 3 * width).flat_map(|line| {
        assert_eq!(line[0], 0, "{name}");
        line[1..].chunks(3).map(|p| [p[0], p[1], p[2]])
    });
    (width, pixels.collect())
}

#[test]
fn every_loss_and_every_family_has_its_pictures() {
    let bench = Bench::without_driver();
    let ran = bench.run("plot losses --out a/pictures");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let dir = bench.dir.path().join("a/pictures");
    let files: BTreeSet<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    let losses = wgloss::loss::all().iter().map(|i| i.name.to_string());
    let families = [
        "regression",
        "binary-probabilities",
        "binary-logits",
        "margin",
        "classification",
        "distributions",
        "embeddings",
        "sets",
    ];
    let families = families.map(|f| format!("family-{f}"));
    for name in losses.chain(families) {
        for ending in ["svg", "png"] {
            assert!(files.contains(&format!("{name}.{ending}")), "{name}");
        }
    }
    assert_eq!(
        ran.stdout,
        format!(
            "{} pictures, each as .svg and .png, in a/pictures\n",
            files.len() / 2
        )
    );
    for file in &files {
        let bytes = fs::read(dir.join(file)).unwrap();
        let Some(name) = file.strip_suffix(".svg") else {
            let (width, pixels) = decode(file, &bytes);
            // Curves in colour, on both sides.
            for side in [0, 1] {
                let coloured = pixels.iter().enumerate().filter(|(i, p)| {
                    let here = i % width / (width / 2) == side && i / width > 200;
                    here && p.iter().max().unwrap() - p.iter().min().unwrap() > 70
                });
                assert!(coloured.count() > 500, "{file}, side {side}");
            }
            continue;
        };
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"));
        let title = if name.starts_with("family-") {
            "default"
        } else {
            name
        };
        assert!(text.contains(title), "{file}");
        assert!(text.contains("derivative: d loss / d "), "{file}");
        for bad in ["NaN", "inf"] {
            assert!(!text.contains(bad), "{file}: {bad}");
        }
    }
}

#[test]
fn pictures_are_the_same_every_time() {
    let bench = Bench::without_driver();
    let read = || {
        assert_eq!(bench.run("plot losses --out .").code, 0);
        let files = bench.files().into_iter();
        files
            .map(|f| (fs::read(bench.dir.path().join(&f)).unwrap(), f))
            .collect::<Vec<_>>()
    };
    assert!(read() == read());
}

/// All or none: here one of them has no place.
#[test]
fn no_picture_after_an_error() {
    let bench = Bench::without_driver();
    fs::create_dir(bench.dir.path().join("mse.png")).unwrap();
    bench.write("bce.svg", b"as it was");
    let ran = bench.run("plot losses --out .");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("error: ./mse.png: cannot write: "));
    assert_eq!(bench.files(), ["bce.svg", "mse.png"]);
    let there = fs::read(bench.dir.path().join("bce.svg")).unwrap();
    assert_eq!(there, b"as it was");
}
