//! The `hactl-agent` program.

fn main() -> std::process::ExitCode {
    hactl_agent::cli::main()
}
