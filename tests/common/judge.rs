//! A script that answers questions about what is on a server, in other people's software.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running script. A question is one line of JSON, and so is its answer.
pub struct Judge(RefCell<Running>);

struct Running {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// Starts a script of the repository.
    pub fn start<'a>(script: &str, arguments: impl IntoIterator<Item = &'a str>) -> Judge {
        let python = std::env::var_os("VECPIPE_PYTHON")
            .expect("VECPIPE_PYTHON must name a Python with pymilvus; scripts/test sets it");
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Judge(RefCell::new(Running { child, ask, answers }))
    }

    /// The answer to a question.
    pub fn ask(&self, request: &Value) -> Value {
        self.try_ask(request).expect("the judge answers")
    }

    /// The same, unless the script has ended.
    pub fn try_ask(&self, request: &Value) -> Option<Value> {
        let mut running = self.0.borrow_mut();
        writeln!(running.ask.as_mut()?, "{request}").ok()?;
        let mut answer = String::new();
        running.answers.read_line(&mut answer).ok()?;
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
