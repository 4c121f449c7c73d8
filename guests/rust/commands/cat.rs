//! Copies standard input to standard output, and does other small things that a command can do.
//!
//! Built as a component of WASI 0.2 (`cat`) and as a core module of WASI 0.1 (`cat-p1`), to the same behaviour but for
//! the exit code: WASI 0.2 knows success and failure only, so that each code but 0 becomes 1 there.

use std::io::{Read, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: cat [--upper] | args ... | env KEY | exit CODE | err TEXT | read FILE | write FILE TEXT \
                     | ls DIR | panic | spin";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act(words: &[&str]) -> std::io::Result<ExitCode> {
    match words {
        [] => copy(|_| {})?,
        ["--upper"] => copy(|bytes| bytes.make_ascii_uppercase())?,
        ["args", rest @ ..] => rest.iter().for_each(|word| println!("{word}")),
        ["env", key] => match std::env::var(key) {
            Ok(value) => println!("{value}"),
            Err(_) => return Ok(ExitCode::from(3)),
        },
        ["exit", code] => return Ok(ExitCode::from(code.parse().unwrap_or(1))),
        ["err", text] => eprintln!("{text}"),
        ["read", path] => std::io::stdout().write_all(&std::fs::read(path)?)?,
        ["write", path, text] => std::fs::write(path, text)?,
        ["ls", path] => list(path)?,
        ["panic"] => panic!("asked to"),
        ["spin"] => loop {
            std::hint::black_box(());
        },
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies block by block, so that it works in the middle of a pipe.
fn copy(change: impl Fn(&mut [u8])) -> std::io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    loop {
        let size = input.read(&mut block)?;
        if size == 0 {
            return output.flush();
        }
        change(&mut block[..size]);
        output.write_all(&block[..size])?;
    }
}

fn list(path: &str) -> std::io::Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name());
    }
    names.sort();
    names.iter().for_each(|name| println!("{}", name.to_string_lossy()));
    Ok(())
}
