//! A headless Chromium, and a tab of it as a user has it: by the DevTools protocol, through pipes, so that the browser ends with this program however that ends.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the browser is called, unless the environment's `CHROMIUM` says it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A host of this machine that no browser takes for it.
pub const ELSEWHERE: &str = "elsewhere.test";

/// How long what should come at once may take, on a machine that is busy.
pub const SOON: Duration = Duration::from_secs(60);

/// Has nothing reach a worker until it is released.
const HOLD: &str = "{
    const post = Worker.prototype.postMessage;
    const released = new Promise((release) => (globalThis.release = release));
    Worker.prototype.postMessage = function (...message) {
        released.then(() => post.apply(this, message));
    };
}";

/// Where the protocol's messages go, which is to the descriptors 3 and 4 of the browser.
struct Pipes {
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    sent: u64,
    _profile: TempDir,
}

impl Pipes {
    fn open() -> Result<Pipes> {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null"#]);
        command.arg(program()?);
        // Without a GPU Chromium has a device of its own, SwiftShader, which pages are given by the third only.
        command.args(["--headless", "--no-sandbox", "--enable-unsafe-webgpu"]);
        command.args(["--remote-debugging-pipe", "--no-first-run"]);
        // Nothing but this machine is to be reached, and a lost device is lost on purpose.
        command.arg(format!(
            "--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        ));
        command.args([
            "--disable-gpu-process-crash-limit",
            "--disable-domain-blocking-for-3d-apis",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if std::env::var_os("CHROMIUM_LOG").is_some() {
            command.arg("--enable-logging=stderr");
        } else {
            command.stderr(Stdio::null());
        }
        let mut child = command.spawn().context("sh")?;
        let input = child.stdin.take().context("a pipe")?;
        let mut reader = BufReader::new(child.stdout.take().context("a pipe")?);
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            // Ends with the browser, or when nobody listens any more.
            while reader.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let read = serde_json::from_slice(&message);
                if read.is_ok_and(|value| sender.send(value).is_err()) {
                    return;
                }
                message.clear();
            }
        });
        Ok(Pipes {
            child,
            input,
            output,
            sent: 0,
            _profile: profile,
        })
    }

    /// Sends a command, and gives its number.
    fn send(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<u64> {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let sent = self.input.write_all(&bytes);
        sent.context("the browser has ended")?;
        Ok(self.sent)
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Result<PathBuf> {
    if let Some(own) = std::env::var_os("CHROMIUM") {
        return Ok(own.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = NAMES.iter().flat_map(|name| {
        let folders = std::env::split_paths(&path);
        folders.map(move |folder| folder.join(name))
    });
    let found = all.into_iter().find(|program| program.is_file());
    found.with_context(|| {
        let names = NAMES.join(", ");
        format!(
            "expected a Chromium, found none called {names}: install one, or name it in CHROMIUM"
        )
    })
}

/// A tab of a browser of its own.
pub struct Tab {
    pipes: Pipes,
    target: String,
    session: String,
    /// The page's workers.
    workers: Vec<String>,
    /// Where requests may go to.
    home: String,
    /// Commands whose answer nobody waits for.
    unawaited: HashSet<u64>,
    /// What no page may do.
    trouble: Vec<String>,
}

impl Tab {
    pub fn open() -> Result<Tab> {
        Ok(Tab {
            pipes: Pipes::open()?,
            target: String::new(),
            session: String::new(),
            workers: Vec::new(),
            home: String::new(),
            unawaited: HashSet::new(),
            trouble: Vec::new(),
        })
    }

    /// Opens a page in place of the last one, with nothing left of that.
    pub fn load(&mut self, url: &str) -> Result<()> {
        self.open_page("", url)
    }

    /// The same; its worker runs `before` ahead of anything that it is asked for.
    pub fn load_after(&mut self, before: &str, url: &str) -> Result<()> {
        self.open_page(HOLD, url)?;
        // It has nothing yet to wait by, so the page does.
        let end = Instant::now() + SOON;
        let worker = loop {
            self.eval("new Promise((go) => setTimeout(go, 20))")?;
            let worker = self.workers.first().cloned();
            if let Some(worker) = worker
                && self.eval_in(&worker, SOON, "Boolean(self.onmessage)")? == true
            {
                break worker;
            }
            ensure!(Instant::now() < end, "no worker of the page listens");
        };
        self.eval_in(&worker, SOON, before)?;
        self.eval("release()")?;
        Ok(())
    }

    /// `first` is run before anything of the page's.
    fn open_page(&mut self, first: &str, url: &str) -> Result<()> {
        let made = self.browser("Target.createTarget", json!({ "url": "about:blank" }))?;
        let last = std::mem::replace(&mut self.target, text(&made["targetId"])?);
        if !last.is_empty() {
            self.browser("Target.closeTarget", json!({ "targetId": last }))?;
        }
        let to = json!({ "targetId": self.target, "flatten": true });
        self.session = text(&self.browser("Target.attachToTarget", to)?["sessionId"])?;
        self.workers.clear();
        let file = url.split('#').next().unwrap_or(url);
        self.home = file[..=file.rfind('/').context("a page's address")?].into();
        for domain in ["Page", "Runtime", "Network", "Log", "DOM"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        let attach = json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true });
        self.call("Target.setAutoAttach", attach)?;
        let source = json!({ "source": first });
        self.call("Page.addScriptToEvaluateOnNewDocument", source)?;
        let gone = self.call("Page.navigate", json!({ "url": url }))?;
        if let Some(error) = gone["errorText"].as_str() {
            bail!("{url}: {error}");
        }
        self.wait("document.readyState === 'complete'", SOON)?;
        Ok(())
    }

    /// A command to the browser.
    fn browser(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.pipes.send(None, method, params)?;
        let answer = self.answer(id, SOON);
        answer.with_context(|| method.to_string())
    }

    /// A command to the page.
    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.pipes.send(Some(&self.session), method, params)?;
        let answer = self.answer(id, SOON);
        answer.with_context(|| method.to_string())
    }

    /// Waits for an answer, and hears what else is said until then.
    fn answer(&mut self, id: u64, limit: Duration) -> Result<Value> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let received = self.pipes.output.recv_timeout(left);
            let mut message = received.context("no answer of the browser")?;
            let wrong = message["error"]["message"].as_str().map(String::from);
            match (message["id"].as_u64(), wrong) {
                (Some(found), Some(wrong)) if found == id => bail!("{wrong}"),
                (Some(found), None) if found == id => return Ok(message["result"].take()),
                (Some(other), wrong) => {
                    let unawaited = self.unawaited.remove(&other);
                    self.trouble.extend(wrong.filter(|_| unawaited));
                }
                (None, _) => self.hear(&message)?,
            }
        }
    }

    fn hear(&mut self, event: &Value) -> Result<()> {
        let params = &event["params"];
        let session = event["sessionId"].as_str().unwrap_or("");
        // The last page's end is no business of this one.
        if session != self.session && !self.workers.iter().any(|worker| worker == session) {
            return Ok(());
        }
        let said = |value: &Value| value.as_str().unwrap_or("?").to_string();
        match event["method"].as_str().unwrap_or("") {
            "Target.attachedToTarget" => {
                let worker = text(&params["sessionId"])?;
                for method in [
                    "Runtime.enable",
                    "Network.enable",
                    "Log.enable",
                    "Runtime.runIfWaitingForDebugger",
                ] {
                    let id = self.pipes.send(Some(&worker), method, json!({}))?;
                    self.unawaited.insert(id);
                }
                self.workers.push(worker);
            }
            "Network.requestWillBeSent" => {
                let url = said(&params["request"]["url"]);
                if !url.starts_with(&self.home) {
                    self.trouble.push(format!("a request to {url}"));
                }
            }
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                let args = params["args"].as_array().into_iter().flatten();
                let args = args.map(|arg| match &arg["value"] {
                    Value::String(text) => text.clone(),
                    Value::Null => said(&arg["description"]),
                    other => other.to_string(),
                });
                let args: Vec<_> = args.collect();
                self.trouble.push(format!("console: {}", args.join(" ")));
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                self.trouble.push(thrown(details));
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                let (text, url) = (&params["entry"]["text"], &params["entry"]["url"]);
                let url = url.as_str().unwrap_or("");
                self.trouble.push(format!("log: {} {url}", said(text)));
            }
            "Inspector.targetCrashed" => bail!("the page crashed"),
            _ => {}
        }
        Ok(())
    }

    /// Fails if the page did what none may: an exception, an error on the console, a request that goes elsewhere; but for those that say
    /// one of these words.
    pub fn in_order_but(&mut self, expected: &[&str]) -> Result<()> {
        // Whatever was said before this is heard with it.
        self.eval("0")?;
        let other = |text: &String| !expected.iter().any(|word| text.contains(word));
        let trouble: Vec<_> = self.trouble.drain(..).filter(other).collect();
        ensure!(trouble.is_empty(), "{}", trouble.join("\n"));
        Ok(())
    }

    pub fn in_order(&mut self) -> Result<()> {
        self.in_order_but(&[])
    }

    /// The value of an expression, or what it promises.
    pub fn eval(&mut self, expression: &str) -> Result<Value> {
        let page = self.session.clone();
        self.eval_in(&page, SOON, expression)
    }

    fn eval_in(&mut self, session: &str, limit: Duration, expression: &str) -> Result<Value> {
        let params = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let id = self.pipes.send(Some(session), "Runtime.evaluate", params)?;
        let mut found = self.answer(id, limit)?;
        match found.get("exceptionDetails") {
            Some(details) => bail!("{}: {expression}", thrown(details)),
            None => Ok(found["result"]["value"].take()),
        }
    }

    /// The value of an expression as soon as it is true of the page.
    pub fn wait(&mut self, expression: &str, limit: Duration) -> Result<Value> {
        let page = self.session.clone();
        let waited = self.eval_in(&page, limit, &once(expression));
        waited.or_else(|e| {
            let page = self.eval("document.body.innerText");
            let page = page
                .as_ref()
                .map_or("nothing", |p| p.as_str().unwrap_or(""));
            bail!(
                "{e:#}: after {} s there is still no `{expression}`; the page says: {page}",
                limit.as_secs()
            )
        })
    }

    /// What is written in an element.
    pub fn text_of(&mut self, selector: &str) -> Result<String> {
        let found = self.eval(&format!("document.querySelector({selector:?}).textContent"))?;
        text(&found)
    }

    /// Clicks into the middle of an element, where it must be what is on top.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        let (x, y) = self.middle(selector)?;
        for (kind, button) in [
            ("mouseMoved", "none"),
            ("mousePressed", "left"),
            ("mouseReleased", "left"),
        ] {
            let count = u8::from(button == "left");
            let event =
                json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": count });
            self.call("Input.dispatchMouseEvent", event)?;
        }
        Ok(())
    }

    fn middle(&mut self, selector: &str) -> Result<(f64, f64)> {
        let found = self.eval(&format!(
            "(() => {{
                const element = document.querySelector({selector:?});
                if (!element) throw new Error('no such element');
                element.scrollIntoView({{ block: 'center' }});
                const {{ x, y, width, height }} = element.getBoundingClientRect();
                const at = [x + width / 2, y + height / 2];
                const top = document.elementFromPoint(...at);
                if (!element.contains(top)) throw new Error(`covered by ${{top?.outerHTML}}`);
                return at;
            }})()"
        ))?;
        let at = |k: usize| found[k].as_f64().context("a place");
        Ok((at(0)?, at(1)?))
    }

    /// Types a text into what has the focus.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({ "text": text }))?;
        Ok(())
    }

    /// Presses a key, by its name.
    pub fn press(&mut self, key: &str) -> Result<()> {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            "Escape" => ("Escape", 27, ""),
            " " => ("Space", 32, " "),
            "End" => ("End", 35, ""),
            "Home" => ("Home", 36, ""),
            "ArrowLeft" => ("ArrowLeft", 37, ""),
            "ArrowUp" => ("ArrowUp", 38, ""),
            "ArrowRight" => ("ArrowRight", 39, ""),
            "ArrowDown" => ("ArrowDown", 40, ""),
            other => bail!("no key `{other}`"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, "nativeVirtualKeyCode": number,
            });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Chooses files for an input.
    pub fn choose(&mut self, selector: &str, files: &[&Path]) -> Result<()> {
        let find = json!({ "expression": format!("document.querySelector({selector:?})") });
        let found = self.call("Runtime.evaluate", find)?;
        let object = text(&found["result"]["objectId"]).context(selector.to_string())?;
        let chosen = json!({ "files": files, "objectId": object });
        self.call("DOM.setFileInputFiles", chosen)?;
        Ok(())
    }

    /// Drops files on an element.
    pub fn drop_files(&mut self, selector: &str, files: &[&Path]) -> Result<()> {
        let (x, y) = self.middle(selector)?;
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({ "items": [], "files": files, "dragOperationsMask": 1 });
            let event = json!({ "type": kind, "x": x, "y": y, "data": data });
            self.call("Input.dispatchDragEvent", event)?;
        }
        Ok(())
    }

    /// How wide the window is, and whether the user likes it dark.
    pub fn look(&mut self, width: u32, dark: bool) -> Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )?;
        let phone = width < 600;
        let metrics =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": phone });
        self.call("Emulation.setDeviceMetricsOverride", metrics)?;
        Ok(())
    }

    /// Writes a picture of all of the page.
    pub fn picture(&mut self, file: &Path) -> Result<()> {
        let size = self.call("Page.getLayoutMetrics", json!({}))?["cssContentSize"].take();
        let clip =
            json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let how = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let taken = self.call("Page.captureScreenshot", how)?;
        let bytes = BASE64_STANDARD.decode(text(&taken["data"])?)?;
        fs::write(file, bytes).with_context(|| file.display().to_string())
    }

    /// Ends the process that has all devices of the browser.
    pub fn crash_gpu(&mut self) -> Result<()> {
        let id = self
            .pipes
            .send(None, "Browser.crashGpuProcess", json!({}))?;
        self.unawaited.insert(id);
        Ok(())
    }

    /// Lets the page read what is copied.
    pub fn allow_clipboard(&mut self) -> Result<()> {
        let may = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.browser("Browser.grantPermissions", may)?;
        Ok(())
    }
}

/// A promise of the value of an expression as soon as it is true.
fn once(expression: &str) -> String {
    format!(
        "new Promise((done) => {{
            const look = () => {{ const is = ({expression}); is ? done(is) : setTimeout(look, 20); }};
            look();
        }})"
    )
}

fn text(value: &Value) -> Result<String> {
    let found = value.as_str().map(String::from);
    found.with_context(|| format!("expected a text, found {value}"))
}

/// What an exception says.
fn thrown(details: &Value) -> String {
    let said = details["exception"]["description"].as_str();
    let said = said.or(details["text"].as_str());
    format!("exception: {}", said.unwrap_or("?"))
}
