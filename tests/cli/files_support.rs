//! Files made by hand, byte by byte.

use std::fs;
use std::io::Write;
use std::path::Path;

use wgloss::cli::files::{Array, FileError, read};

/// An `.npy` file of version 1.0 with the given values in its header.
pub fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}");
    npy_header(1, &header, data)
}

/// An `.npy` file with any header.
pub fn npy_header(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY".to_vec();
    file.extend([version, 0]);
    let start = if version == 1 { 10 } else { 12 };
    let len = (start + header.len() + 1).next_multiple_of(64) - start;
    match version {
        1 => file.extend(u16::try_from(len).unwrap().to_le_bytes()),
        _ => file.extend(u32::try_from(len).unwrap().to_le_bytes()),
    }
    let end = file.len() + len;
    file.extend(header.bytes());
    file.resize(end - 1, b' ');
    file.push(b'\n');
    file.extend(data);
    file
}

/// A member of a zip archive.
pub struct Member<'a> {
    pub name: &'a str,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// Added to the size the archive claims for the data.
    pub lie: u32,
}

pub fn stored(name: &str, data: Vec<u8>) -> Member<'_> {
    Member {
        name,
        data,
        method: 0,
        flags: 0,
        lie: 0,
    }
}

pub fn deflated(name: &str, data: Vec<u8>) -> Member<'_> {
    Member {
        method: 8,
        ..stored(name, data)
    }
}

pub fn zip(members: &[Member]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let mut crc = flate2::Crc::new();
        crc.update(&member.data);
        let packed = match member.method {
            8 => {
                let mut to = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
                to.write_all(&member.data).unwrap();
                to.finish().unwrap()
            }
            _ => member.data.clone(),
        };
        let size = u32::try_from(member.data.len()).unwrap() + member.lie;
        let offset = u32::try_from(file.len()).unwrap();
        let mut common = Vec::new();
        for field in [20, member.flags, member.method, 0, 33] {
            common.extend(field.to_le_bytes());
        }
        common.extend(crc.sum().to_le_bytes());
        common.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(u16::try_from(member.name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(member.name.bytes());
        file.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(member.name.bytes());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let start = u32::try_from(file.len()).unwrap();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// A `.safetensors` file with any header.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(data);
    file
}

/// Writes `bytes` to `name` in `dir` and reads it, with `key` appended to the name.
pub fn read_bytes(dir: &Path, name: &str, key: &str, bytes: &[u8]) -> Result<Array, FileError> {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    read(&format!("{}{key}", path.display()))
}

/// Floats as the bytes of a file.
pub fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
