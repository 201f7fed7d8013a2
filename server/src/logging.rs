//! Where log lines go (standard error) and how a panic is told.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use zyron_server::config::{LogConfig, LogFormat};

pub(crate) fn init(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter).context("`log.filter` is not a filter")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        // Where, but not what: the message of a failed slice holds the text that was sliced.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
    }));
    Ok(())
}
