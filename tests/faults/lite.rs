//! A Milvus Lite of a test's own, which can be stopped and started again.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time that a server may take to start.
const STARTS: Duration = Duration::from_secs(120);

/// A running Milvus Lite, or one that was stopped.
pub struct Lite {
    data: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Lite {
    /// Starts one with its files in this folder.
    pub fn start(data: PathBuf) -> Lite {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let mut lite = Lite { data, port: free.unwrap().port(), process: None };
        lite.launch();
        lite
    }

    /// Starts the server and waits until it takes connections.
    pub fn launch(&mut self) {
        let python = std::env::var_os("VECPIPE_PYTHON").expect("scripts/test sets VECPIPE_PYTHON");
        let mut command = Command::new(Path::new(&python).with_file_name("milvus-lite"));
        command.arg("server").arg("--data-dir").arg(&self.data);
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let deadline = Instant::now() + STARTS;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "Milvus Lite does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let kill = format!("kill -TERM {}", process.id());
        let _ = Command::new("sh").args(["-c", &kill]).status();
        process.wait().unwrap();
    }

    pub fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Lite {
    fn drop(&mut self) {
        self.stop();
    }
}
