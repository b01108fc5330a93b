use std::process::ExitCode;

fn main() -> ExitCode {
    agpt::cli::run(std::env::args_os()).into()
}
