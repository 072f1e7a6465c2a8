//! A server that lies: a proxy before the real one. Everything is real but the lie; the relay passes
//! through untouched.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::http;

/// A call on its way to the real server.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// What comes back instead.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// Status line, headers and body, as they are.
    Raw(Vec<u8>),
    /// The beginning of an answer, one byte at a time, without an end.
    Drip,
}

/// Hears a call and what the real server would answer to it (asked only when `honest` is called).
pub(crate) type Lie = Box<dyn FnMut(&Call, &dyn Fn(&Call) -> (u16, Value)) -> Answer + Send>;

pub(crate) struct Liar {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    /// Where the relay is, if not at the real server.
    relay: Mutex<Option<String>>,
    lie: Mutex<Option<Lie>>,
    calls: Mutex<Vec<Call>>,
}

impl Liar {
    /// Stands before the server at `upstream`, honest at first.
    pub(crate) fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (relay, lie, calls) = (Mutex::new(None), Mutex::new(None), Mutex::new(Vec::new()));
        let shared = Arc::new(Shared { upstream: upstream.into(), relay, lie, calls });
        let serving = Arc::clone(&shared);
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { url, shared }
    }

    /// Lies from now on, and forgets what was called before.
    pub(crate) fn tell(
        &self,
        lie: impl FnMut(&Call, &dyn Fn(&Call) -> (u16, Value)) -> Answer + Send + 'static,
    ) {
        self.shared.calls.lock().unwrap().clear();
        *self.shared.lie.lock().unwrap() = Some(Box::new(lie));
    }

    /// Changes the answers to calls of this method whose path begins and ends like this.
    pub(crate) fn twist(
        &self,
        method: &'static str,
        path: (&'static str, &'static str),
        mut twist: impl FnMut(&mut Value) + Send + 'static,
    ) {
        self.tell(move |call, honest| {
            let (status, mut value) = honest(call);
            if call.is(method, path) {
                twist(&mut value);
            }
            Answer::Json(status, value)
        });
    }

    /// Leads parties that come from now on to another relay, at `HOST:PORT`; none is the real one.
    pub(crate) fn lead(&self, relay: Option<&str>) {
        *self.shared.relay.lock().unwrap() = relay.map(str::to_owned);
    }

    /// What was called since the last lie began.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }
}

impl Call {
    pub(crate) fn is(&self, method: &str, (begin, end): (&str, &str)) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        self.method == method && path.starts_with(begin) && path.ends_with(end)
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let Some((head, rest)) = read_head(&mut stream)? else { return Ok(()) };
        let header = |name: &str| {
            let of =
                |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
            head.lines().filter_map(of).find(|(n, _)| n == name).map(|(_, value)| value)
        };
        if header("upgrade").is_some() {
            return self.tunnel(stream, &head, &rest);
        }
        let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = rest;
        while body.len() < length {
            let mut more = vec![0; length - body.len()];
            let read = stream.read(&mut more)?;
            if read == 0 {
                return Ok(());
            }
            body.extend_from_slice(&more[..read]);
        }
        let mut words = head.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let token = header("authorization").unwrap_or_default().trim_start_matches("Bearer ").to_owned();
        let call = Call { method, path, body: serde_json::from_slice(&body).unwrap_or(Value::Null) };
        self.calls.lock().unwrap().push(call.clone());
        let honest = |call: &Call| {
            let body = (!call.body.is_null()).then(|| call.body.to_string().into_bytes());
            let answer =
                http::ask(&call.method, &format!("{}{}", self.upstream, call.path), &token, &[], body);
            answer.map_or((502, Value::Null), |(status, _, value)| (status, value))
        };
        // One call after the other, as commands make them.
        let answer = match self.lie.lock().unwrap().as_mut() {
            Some(lie) => lie(&call, &honest),
            None => {
                let (status, value) = honest(&call);
                Answer::Json(status, value)
            }
        };
        give(stream, answer)
    }

    fn tunnel(&self, stream: TcpStream, head: &str, rest: &[u8]) -> std::io::Result<()> {
        let relay = self.relay.lock().unwrap().clone();
        let relay = relay.unwrap_or_else(|| self.upstream.trim_start_matches("http://").to_owned());
        let mut upstream = TcpStream::connect(relay)?;
        upstream.set_nodelay(true)?;
        stream.set_nodelay(true)?;
        upstream.write_all(head.as_bytes())?;
        upstream.write_all(rest)?;
        let (mut from, mut to) = (upstream.try_clone()?, stream.try_clone()?);
        let back = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut &stream, &mut upstream);
        let _ = upstream.shutdown(Shutdown::Both);
        let _ = back.join();
        Ok(())
    }
}

fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}

fn give(mut stream: TcpStream, answer: Answer) -> std::io::Result<()> {
    match answer {
        Answer::Json(status, value) => {
            let body = value.to_string();
            let head = format!(
                "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())
        }
        Answer::Raw(bytes) => stream.write_all(&bytes),
        Answer::Drip => {
            stream.write_all(b"HTTP/1.1 200 -\r\ncontent-type: application/json\r\n\r\n[")?;
            loop {
                stream.write_all(b" ")?;
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    }
}
