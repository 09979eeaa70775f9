//! Processes of the demo. They end with it.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process of the demo. Killed when dropped.
pub(super) struct Process {
    child: Child,
    arguments: Vec<String>,
    log: std::path::PathBuf,
}

impl Process {
    /// Starts this very program with other arguments; what it logs goes to a file.
    pub(super) fn start(arguments: &[&str], log: &Path) -> std::io::Result<Process> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Ok(Process { child: spawn(&arguments, log)?, arguments, log: log.to_owned() })
    }

    /// SIGKILL, now; then starts it again.
    pub(super) async fn kill_and_start_again(&mut self) -> std::io::Result<()> {
        self.child.kill().await?;
        self.child = spawn(&self.arguments, &self.log)?;
        Ok(())
    }

    /// Lets it end as when the process that started it is gone. Says whether it did.
    pub(super) async fn stop(&mut self) -> bool {
        drop(self.child.stdin.take());
        tokio::time::timeout(PATIENCE, self.child.wait()).await.is_ok_and(|status| status.is_ok())
    }

    /// Whether it ended by itself.
    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

fn spawn(arguments: &[String], log: &Path) -> std::io::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}

/// Asks until the answer is yes, at most `patience`.
pub(super) async fn until<F>(patience: Duration, mut ask: impl FnMut() -> F) -> bool
where
    F: Future<Output = bool>,
{
    let asked = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    };
    tokio::time::timeout(patience, asked).await.is_ok()
}
