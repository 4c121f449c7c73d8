//! These are the flags that say what a program's imports are linked to: the same for every command that runs one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use host::CapabilityConfig;
use http_capability::outgoing::Allow;
use stdx::Code;

use crate::cli::data_folder;
use crate::failure::Failure;

/// What imports are linked to.
#[derive(Debug, Args)]
pub(crate) struct ImportFlags {
    /// The folder that data are kept in [default: the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What wasi:config answers (can be given several times)
    #[arg(long, value_name = "NAME=VALUE")]
    config: Vec<String>,
    /// A file of such settings: TOML, JSON, or lines of NAME=VALUE
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// An environment variable of the program; without a value, this process's (can be given several times)
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A host that may be sent HTTP requests: HOST, HOST:PORT, *.example.com, a range of addresses as 10.0.0.0/8, or * for all public
    /// ones, with h2c:// before it where HTTP/2 is spoken without TLS (can be given several times)
    #[arg(long, value_name = "HOST")]
    allow_http: Vec<Allow>,
}

impl ImportFlags {
    /// The folder that data are kept in.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(data_folder)
    }

    /// One of these flags that was given, if any was.
    pub(crate) fn said(&self) -> Option<&'static str> {
        let is_said = [
            ("--data", self.data.is_some()),
            ("--config", !self.config.is_empty()),
            ("--config-file", self.config_file.is_some()),
            ("--env", !self.env.is_empty()),
            ("--allow-http", !self.allow_http.is_empty()),
        ];
        is_said.into_iter().find_map(|(flag, is_said)| is_said.then_some(flag))
    }

    /// What the host's capabilities are set up from.
    pub(crate) fn capabilities(&self) -> Result<CapabilityConfig, Failure> {
        let no_thread = |error| Failure::new(Code::E0209, format!("the log cannot be started: {error}"));
        Ok(CapabilityConfig {
            data: self.data(),
            settings: self.settings()?,
            allowed: self.allow_http.iter().cloned().collect(),
            sink: Arc::new(logging::Terminal::spawn_stderr().map_err(no_thread)?),
            environment: self.environment(),
        })
    }

    /// The environment that the program sees: what was named, and nothing else.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        self.env.iter().filter_map(|text| variable(text)).collect()
    }

    /// Flags win over the environment, and that over a file.
    fn settings(&self) -> Result<config::Settings, Failure> {
        let flags = config::Settings::from_pairs(self.config.iter().map(String::as_str))?;
        let environment = config::read_environment(config::ENVIRONMENT_PREFIX)?;
        let file = self.config_file.as_deref().map(config::read).transpose()?.unwrap_or_default();
        Ok(flags.over(environment).over(file))
    }
}

/// `NAME=VALUE`, or the value that this process has.
fn variable(text: &str) -> Option<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Some((name.into(), value.into())),
        None => std::env::var_os(text).map(|value| (text.into(), value.to_string_lossy().into_owned())),
    }
}

/// Reads a time in seconds, as a flag has it.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e9 => Ok(seconds),
        _ => Err("a time is a number of seconds above zero, as in 0.5 or 30".into()),
    }
}
