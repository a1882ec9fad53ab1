//! Serves the files of a folder to this machine alone.

use anyhow::{Context, Result};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The longest head of a request, and the longest body.
const MOST_HEAD: u64 = 1 << 16;
const MOST_BODY: u64 = 1 << 24;

/// Where a page may post to, beside its files.
const REPORT: &str = "report";

/// What was asked of a server that is worth to be known.
pub enum Asked {
    /// A page posted this.
    Report(String),
    /// There is nothing at this address.
    Missing(String),
}

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

    /// Serves until the process ends. `asked` is told from several threads.
    pub fn run(&self, asked: impl Fn(Asked) + Sync) {
        thread::scope(|scope| {
            for stream in self.listener.incoming().flatten() {
                // One that fails is the browser's to ask again.
                scope.spawn(|| self.answer(stream, &asked));
            }
        });
    }

    fn answer(&self, stream: TcpStream, asked: &dyn Fn(Asked)) -> io::Result<()> {
        // Browsers open connections that they may never use.
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut reader = BufReader::new(&stream).take(MOST_HEAD);
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut words = first.split_whitespace();
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().unwrap_or(0);
                }
                Some(_) => {}
                None => break,
            }
        }
        let path = path.split(['?', '#']).next().unwrap_or("");
        let inside = path.strip_prefix(self.prefix);
        match (method, inside) {
            ("GET", Some(inside)) => {
                let name = match inside {
                    "" => "index.html",
                    other => other,
                };
                match self.file(name) {
                    Some(bytes) => reply(&stream, "200 OK", kind(name), &bytes),
                    None => {
                        asked(Asked::Missing(path.to_string()));
                        reply(&stream, "404 Not Found", "text/plain", b"not found")
                    }
                }
            }
            ("POST", Some(REPORT)) if length <= MOST_BODY => {
                reader.set_limit(length);
                let mut body = String::new();
                reader.read_to_string(&mut body)?;
                reply(&stream, "204 No Content", "text/plain", b"")?;
                asked(Asked::Report(body));
                Ok(())
            }
            _ => {
                asked(Asked::Missing(path.to_string()));
                reply(&stream, "404 Not Found", "text/plain", b"not found")
            }
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
