//! A script that answers questions about what is on a server, in other people's software.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

/// Scripts that no test uses now. Starting one takes a second of CPU time.
static IDLE: Mutex<Vec<Running>> = Mutex::new(Vec::new());
/// As many are kept: each takes 150 MB.
const MOST_IDLE: usize = 6;

/// A running script. A question is one line of JSON, and so is its answer. Later tests use it again.
pub struct Judge(RefCell<Option<Running>>);

struct Running {
    words: Vec<String>,
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// Starts a script of the repository, or takes one that was started with the same arguments.
    pub fn start<'a>(script: &'a str, arguments: impl IntoIterator<Item = &'a str>) -> Judge {
        let words: Vec<_> =
            std::iter::once(script).chain(arguments).map(ToOwned::to_owned).collect();
        let running = Running::idle(&words).unwrap_or_else(|| Running::start(words));
        Judge(RefCell::new(Some(running)))
    }

    /// The answer to a question.
    pub fn ask(&self, request: &Value) -> Value {
        self.try_ask(request).expect("the judge answers")
    }

    /// The same, unless the script has ended.
    pub fn try_ask(&self, request: &Value) -> Option<Value> {
        let mut judge = self.0.borrow_mut();
        let answer = judge.as_mut()?.ask(request);
        if answer.is_none() {
            *judge = None;
        }
        answer
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let Some(running) = self.0.take() else { return };
        let mut idle = IDLE.lock().unwrap();
        idle.push(running);
        let surplus = (idle.len() > MOST_IDLE).then(|| idle.remove(0));
        // It ends with the lock free.
        drop(idle);
        drop(surplus);
    }
}

impl Running {
    fn idle(words: &[String]) -> Option<Running> {
        let mut idle = IDLE.lock().unwrap();
        let at = idle.iter().position(|running| running.words == words)?;
        Some(idle.remove(at))
    }

    fn start(words: Vec<String>) -> Running {
        let python = std::env::var_os("VECPIPE_PYTHON")
            .expect("VECPIPE_PYTHON must name a Python with pymilvus; scripts/test sets it");
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(&words[0]))
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Running { words, child, ask, answers }
    }

    fn ask(&mut self, request: &Value) -> Option<Value> {
        writeln!(self.ask.as_mut()?, "{request}").ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        serde_json::from_str(&answer).ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The script ends with its input.
        self.ask = None;
        let _ = self.child.wait();
    }
}
