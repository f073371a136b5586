//! Child processes with an end: a time limit, a bound on what is kept, and no orphan left in the group.

use std::process::Stdio;
use std::time::Duration;

use hactl_node_plan::command::{Command, Input, Output};
use hactl_node_plan::systemd::PATH;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::HostError;

/// Kept of each output stream; the rest is read and dropped.
const KEPT_BYTES: u64 = 16 << 20;
/// A daemon that the program left behind may hold the streams open: so long they are read on after its end.
const LINGER: Duration = Duration::from_secs(1);

/// The process group of a child, killed when the child's future is dropped before its end.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // It may be gone already, which is what is wanted.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end or its limit; at the limit, and when the caller goes away, the whole group is killed.
pub(super) async fn run(command: &Command) -> Result<Output, HostError> {
    let start = |source| HostError::Start {
        program: command.program.clone(),
        source,
    };
    let mut child = tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        // A child is not to speak to systemd in the daemon's name.
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.map(Pid::from_raw));

    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = {
        let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (kept_out, kept_err) = (&mut stdout, &mut stderr);
        async move {
            tokio::join!(
                feed(input, &command.input),
                keep(out, kept_out),
                keep(err, kept_err)
            )
        }
    };
    let ended = timeout(command.limit, async {
        tokio::pin!(streams);
        tokio::select! {
            _ = &mut streams => child.wait().await,
            status = child.wait() => {
                let _ = timeout(LINGER, &mut streams).await;
                status
            }
        }
    })
    .await;
    let Ok(status) = ended else {
        group.kill();
        let _ = child.wait().await;
        return Err(HostError::Limit {
            line: command.line(),
            seconds: command.limit.as_secs(),
        });
    };
    let status = status.map_err(start)?;
    // The program has ended by itself: what it started to stay may stay.
    group.0 = None;
    Ok(Output {
        status: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

/// Writes the input and closes it. A program that does not read it all is not at fault.
async fn feed(stream: Option<impl AsyncWrite + Unpin>, input: &Input) {
    let text = match input {
        Input::Empty => return,
        Input::Text(text) => text.as_str(),
        Input::Secret(secret) => secret.expose(),
    };
    if let Some(mut stream) = stream {
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

/// Reads a stream to its end and keeps the first part of it.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    // A stream that breaks ends what can be known of it.
    let _ = (&mut stream).take(KEPT_BYTES).read_to_end(kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_proto::secret::Secret;

    fn shell(script: &str) -> Command {
        Command::new("sh", ["-c", script])
    }

    #[tokio::test]
    async fn status_and_both_streams_come_back() {
        let output = run(&shell("echo out; echo err >&2; exit 3")).await.unwrap();
        assert_eq!(output.status, Some(3));
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str()),
            ("out\n", "err\n")
        );
    }

    #[tokio::test]
    async fn the_environment_is_ours_and_input_is_read() {
        let command =
            shell("cat; echo \"$LC_ALL $PATH\"").input(Input::Secret(Secret::new("s1\n")));
        let output = run(&command).await.unwrap();
        assert_eq!(output.stdout, format!("s1\nC {PATH}\n"));
    }

    #[tokio::test]
    async fn a_program_that_reads_no_input_does_not_hang() {
        let text = "x".repeat(1 << 20);
        let output = run(&shell("exit 0").input(Input::Text(text)))
            .await
            .unwrap();
        assert!(output.success());
    }

    #[tokio::test]
    async fn at_its_limit_the_whole_group_dies() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("child");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let command = shell(&script).limit(Duration::from_secs(2));
        let error = run(&command).await.unwrap_err();
        assert!(matches!(error, HostError::Limit { .. }), "{error}");
        let child = std::fs::read_to_string(file).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        // Gone, or a zombie that waits for the reaper of this machine; the kernel may take a moment to do it.
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        let dies = async {
            while lives() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_mins(1), dies).await;
        assert!(ended.is_ok(), "the child lives on");
    }

    #[tokio::test]
    async fn a_daemon_left_behind_does_not_hold_the_result_up() {
        let command = shell("sleep 30 & echo $!").limit(Duration::from_secs(20));
        let output = run(&command).await.unwrap();
        assert!(output.success());
        let left: i32 = output.stdout.trim().parse().unwrap();
        nix::sys::signal::kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
    }

    #[tokio::test]
    async fn a_missing_program_is_named_and_a_signal_is_no_status() {
        let error = run(&Command::new("hactl-no-such-program", [""; 0]))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "start hactl-no-such-program");
        assert_eq!(run(&shell("kill -9 $$")).await.unwrap().status, None);
    }
}
