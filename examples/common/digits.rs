//! scikit-learn's `digits`: 1797 pictures of 8×8 pixels. `examples/data/make_digits.py` writes the files.

use super::Result;
use super::random::Random;

/// Pixels of a picture.
pub const PIXELS: usize = 64;
/// Digits there are.
pub const CLASSES: usize = 10;

/// Pictures and what they show.
#[derive(Default)]
pub struct Digits {
    /// `[n, 64]`, from 0 to 1.
    pub images: Vec<f32>,
    /// `[n]`.
    pub labels: Vec<u32>,
}

impl Digits {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Those to train on and a share to test on, shuffled by `seed`.
    pub fn split(seed: u64, share: f64) -> Result<(Digits, Digits)> {
        let images = npy_u8(include_bytes!("../data/digits.npy"))?;
        let labels = npy_u8(include_bytes!("../data/digits_targets.npy"))?;
        if images.len() != PIXELS * labels.len() {
            return Err("digits.npy: expected 64 pixels for each of digits_targets.npy".into());
        }
        let mut order: Vec<usize> = (0..labels.len()).collect();
        Random::new(seed).shuffle(&mut order);
        let (test, train) = order.split_at((share * labels.len() as f64) as usize);
        let of = |rows: &[usize]| Digits {
            images: rows
                .iter()
                .flat_map(|&r| &images[PIXELS * r..PIXELS * (r + 1)])
                .map(|&pixel| f32::from(pixel) / 16.0)
                .collect(),
            labels: rows.iter().map(|&r| u32::from(labels[r])).collect(),
        };
        Ok((of(train), of(test)))
    }
}

/// The bytes of an array of u8 in a `.npy` file: behind a magic number, a version and the length of the header.
fn npy_u8(file: &[u8]) -> Result<&[u8]> {
    let (head, rest) = file.split_at_checked(10).ok_or("npy: too short")?;
    let length = usize::from(u16::from_le_bytes([head[8], head[9]]));
    let (header, bytes) = rest.split_at_checked(length).ok_or("npy: too short")?;
    let header = std::str::from_utf8(header)?;
    match head.starts_with(b"\x93NUMPY\x01") && header.contains("'descr': '|u1'") {
        true => Ok(bytes),
        false => Err(format!("npy: expected version 1 with uint8, found {header}").into()),
    }
}
