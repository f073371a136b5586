//! hactl-controller: what the operator runs. See the library of the same name.

fn main() -> std::process::ExitCode {
    hactl_controller::cli::main()
}
