//! Opening a file, and which of its arrays is meant.

use std::fs::File;
use std::io;

use super::{FileError, Source, excerpt, one_line};

impl Source<'_> {
    pub(super) fn open(&self, path: &str) -> Result<(File, u64), FileError> {
        // Asked before opening, because opening a pipe waits for its other end.
        let kind = std::fs::metadata(path).map_err(|e| self.io("open", e))?;
        if kind.is_dir() {
            return Err(self.io("open", io::ErrorKind::IsADirectory.into()));
        }
        if !kind.is_file() {
            return Err(self.malformed("a regular file", "a pipe, a socket or a device"));
        }
        let file = File::open(path).map_err(|e| self.io("open", e))?;
        let len = file.metadata().map_err(|e| self.io("open", e))?.len();
        Ok((file, len))
    }

    pub(super) fn missing_key(&self, key: Option<&str>, found: Keys) -> FileError {
        let file = one_line(self.0);
        let Keys { keys, total } = found;
        match key {
            None => FileError::MissingKey { file, keys, total },
            Some(key) => FileError::UnknownKey {
                file,
                key: excerpt(key),
                keys,
                total,
            },
        }
    }
}

/// The keys met so far, for the error that lists them.
#[derive(Default)]
pub(super) struct Keys {
    keys: Vec<String>,
    pub(super) total: u64,
}

impl Keys {
    pub(super) fn add(&mut self, key: &str) {
        if self.keys.len() < 10 {
            self.keys.push(excerpt(key));
        }
        self.total = self.total.saturating_add(1);
    }
}
