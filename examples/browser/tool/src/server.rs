//! Serves the files of a folder to this machine alone.

use anyhow::{Context, Result};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The longest head of a request.
const MOST_HEAD: u64 = 1 << 16;

/// A folder at an address.
pub struct Server {
    listener: TcpListener,
    folder: PathBuf,
    /// What the path of every address begins with.
    prefix: &'static str,
}

impl Server {
    /// Port 0 is any that is free.
    pub fn new(folder: &Path, prefix: &'static str, port: u16) -> Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", port));
        Ok(Server {
            listener: listener.with_context(|| format!("port {port}"))?,
            folder: fs::canonicalize(folder).with_context(|| folder.display().to_string())?,
            prefix,
        })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    pub fn run(&self) {
        thread::scope(|scope| {
            for stream in self.listener.incoming().flatten() {
                // One that fails is the browser's to ask again.
                scope.spawn(|| self.answer(stream));
            }
        });
    }

    fn answer(&self, stream: TcpStream) -> io::Result<()> {
        // Browsers open connections that they may never use.
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut lines = BufReader::new(&stream).take(MOST_HEAD).lines();
        let Some(first) = lines.next().transpose()? else {
            return Ok(());
        };
        // The rest of the head says nothing that matters here.
        while lines.next().transpose()?.is_some_and(|l| !l.is_empty()) {}
        let mut words = first.split_whitespace();
        let (method, path) = (words.next(), words.next().unwrap_or(""));
        let path = path.split(['?', '#']).next().unwrap_or("");
        let name = match path.strip_prefix(self.prefix) {
            Some("") => Some("index.html"),
            inside => inside.filter(|_| method == Some("GET")),
        };
        match name.and_then(|name| Some((kind(name), self.file(name)?))) {
            Some((kind, bytes)) => reply(&stream, "200 OK", kind, &bytes),
            None => reply(&stream, "404 Not Found", "text/plain", b"not found"),
        }
    }

    /// A file of the folder, and of no other.
    fn file(&self, name: &str) -> Option<Vec<u8>> {
        let name = Path::new(name);
        let plain = |c| matches!(c, Component::Normal(_));
        match name.components().all(plain) {
            true => fs::read(self.folder.join(name)).ok(),
            false => None,
        }
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn reply(mut stream: &TcpStream, status: &str, kind: &str, bytes: &[u8]) -> io::Result<()> {
    let length = bytes.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(bytes)
}
