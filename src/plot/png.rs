//! Pictures as PNG: three bytes a pixel, deflated, nothing else.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::{self, Write};

/// The file of a picture of `width` pixels a line, from left to right and from top to bottom.
pub fn encode(width: usize, rgb: &[u8]) -> io::Result<Vec<u8>> {
    let line = 3 * width.max(1);
    let height = rgb.len() / line;
    let mut header = Vec::new();
    for side in [width, height] {
        let side = u32::try_from(side).map_err(|_| io::ErrorKind::InvalidInput)?;
        header.extend(side.to_be_bytes());
    }
    // Eight bits a channel, red green blue, the one compression and filtering there is, no interlacing.
    header.extend([8, 2, 0, 0, 0]);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for line in rgb.chunks_exact(line) {
        // Not filtered: large areas of one colour pack best as they are.
        packed.write_all(&[0])?;
        packed.write_all(line)?;
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header)?;
    chunk(&mut file, b"IDAT", &packed.finish()?)?;
    chunk(&mut file, b"IEND", &[])?;
    Ok(file)
}

/// Length, kind, contents, and the check sum of the latter two.
fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], contents: &[u8]) -> io::Result<()> {
    let length = u32::try_from(contents.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(contents);
    file.extend(length.to_be_bytes());
    file.extend(kind);
    file.extend(contents);
    file.extend(sum.sum().to_be_bytes());
    Ok(())
}
