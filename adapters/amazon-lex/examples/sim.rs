//! The simulator as a process: `cargo run --features sim --example sim -- settings.toml`.
//!
//! Says `listening https://127.0.0.1:PORT` and runs until it is ended.

use std::error::Error;
use std::io::Write as _;

use tandem_amazon_lex::sim::{Settings, run};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("the first argument is the file with the settings")?;
    let settings: Settings = toml::from_str(&std::fs::read_to_string(path)?)?;
    let running = run(settings).await?;
    writeln!(std::io::stdout(), "listening {}", running.endpoint)?;
    std::future::pending().await
}
