//! The command line: what an operator types.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use livekit::{Claims, VideoGrants, token};

use crate::config::{Config, DEV_KEY, DEV_SECRET, JoinTokens};
use crate::{ids, node};

/// An SFU node for places with poor networks; speaks the LiveKit protocol.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run on this machine only, with keys devkey/secret and a default for everything
    Dev,
    /// Run as configured
    Run {
        /// Settings in TOML; EDGE_* variables override them (EDGE_HTTP__PORT is http.port)
        #[arg(long)]
        config: PathBuf,
    },
    /// Print a token that lets somebody join a room
    Token(TokenArgs),
    /// Print a new API key and secret
    Keygen,
    /// Show the links to other nodes
    Links(relay::cli::LinksArgs),
    /// Make a private CA for the relay between nodes, and certificates for them
    Pki {
        #[command(subcommand)]
        command: relay::cli::PkiCommand,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether a node could start with this file and environment
    Check {
        /// Settings in TOML
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
struct TokenArgs {
    /// The room to join
    #[arg(long)]
    room: String,
    /// Who joins; unique in the room
    #[arg(long)]
    identity: String,
    /// Shown to others; the identity if not given
    #[arg(long)]
    name: Option<String>,
    /// API key
    #[arg(long, default_value = DEV_KEY)]
    key: String,
    /// The key's secret
    #[arg(long, default_value = DEV_SECRET)]
    secret: String,
    /// Good for this many minutes
    #[arg(long, default_value_t = 360)]
    minutes: u64,
    /// Listen and watch only
    #[arg(long)]
    listen_only: bool,
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Dev => Config::dev()
            .map_err(Into::into)
            .and_then(|config| node::run(config, node::Mode::Dev)),
        Command::Run { config } => Config::from_file(&config)
            .map_err(Into::into)
            .and_then(|config| node::run(config, node::Mode::Configured)),
        Command::Token(args) => say(&token(&args)),
        Command::Keygen => say(&keygen()),
        Command::Links(args) => args.table().and_then(|table| say(&table)),
        Command::Pki { command } => command.run().and_then(|made| say(&made)),
        Command::Config {
            command: ConfigCommand::Check { file },
        } => Config::from_file(&file)
            .map_err(Into::into)
            .and_then(|config| say(&summary(&config))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logging may not have started: this is the last word in any case.
            let _ = writeln!(std::io::stderr(), "edge-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints for people and pipes; a closed pipe is not our error.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

fn token(args: &TokenArgs) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let ttl = Duration::from_secs(args.minutes * 60);
    let claims = Claims {
        iss: args.key.clone(),
        sub: args.identity.clone(),
        name: args.name.clone().unwrap_or_else(|| args.identity.clone()),
        video: VideoGrants {
            room_join: true,
            room: args.room.clone(),
            can_publish: args.listen_only.then_some(false),
            ..VideoGrants::default()
        },
        ..Claims::default()
    };
    token::sign(&claims, &args.secret, now.as_secs(), ttl)
}

fn keygen() -> String {
    format!(
        "key     API{}\nsecret  {}\n\nIn the node's configuration:\n[keys]\n<key> = \"<secret>\"\n\n\
         In the app's environment: LIVEKIT_API_KEY, LIVEKIT_API_SECRET and LIVEKIT_URL.",
        ids::random_suffix(),
        ids::random_text(43)
    )
}

fn over_tcp(config: &Config) -> String {
    match config.rtc.tcp {
        Some(tcp) => format!("{tcp} (TCP)"),
        None => "not over TCP".into(),
    }
}

fn summary(config: &Config) -> String {
    let keys: Vec<_> = config.keys.keys().map(String::as_str).collect();
    format!(
        "good\n  signalling  {} (TCP), {}\n  media       {} to {} (UDP), {} shards; {}\n  advertised  {}\n  admin       {} (TCP)\n  keys        {}\n  webhooks    {}\n  control     {}",
        config.http,
        match &config.tls {
            Some(_) => "in TLS and in the clear",
            None => "in the clear",
        },
        config.rtc.sockets[0],
        config.rtc.sockets[config.rtc.sockets.len() - 1].port(),
        config.rtc.sockets.len(),
        over_tcp(config),
        config
            .rtc
            .advertise
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        config.admin,
        keys.join(", "),
        webhooks(config),
        control(config),
    )
}

fn control(config: &Config) -> String {
    let Some(control) = &config.control else {
        return "none".to_owned();
    };
    let tokens = match control.tokens {
        JoinTokens::Any => "its tokens and the app's let people in",
        JoinTokens::Ours => "only its tokens let people in",
    };
    format!(
        "{} as {}, clients come to {}, {tokens}, what waits in {}",
        control.url,
        config.node.id,
        control.public_url,
        control.folder.display()
    )
}

fn webhooks(config: &Config) -> String {
    let webhook = &config.webhook;
    if webhook.urls.is_empty() {
        return "none".to_owned();
    }
    let kept = if webhook.spool.as_os_str().is_empty() {
        "in memory only".to_owned()
    } else {
        format!("in {}", webhook.spool.display())
    };
    format!(
        "{}, signed by {}, waiting {kept}",
        webhook.urls.join(", "),
        webhook.api_key
    )
}
