//! Logs an operator can read. Ids stand in spans; addresses, names and tokens are
//! never written at info level, which a test watches.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// They warn of what every browser does.
const QUIET_LIBRARIES: &str = "rtc_dtls=error,rtc_srtp=error,rtc_stun=error,sctp_proto=error";

/// Starts logging to standard error.
pub(crate) fn start(config: &Log) -> anyhow::Result<()> {
    let level = format!("{QUIET_LIBRARIES},{}", config.level);
    let filter = EnvFilter::try_new(level).with_context(|| {
        format!(
            "log.level is {:?}; allowed: error, warn, info, debug, trace",
            config.level
        )
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
