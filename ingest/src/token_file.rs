//! Token file: read again when it changes, so that tokens come and go without a restart.

use crate::config::TokensConfig;
use crate::config::tokens::Token;
use service_kit::shutdown::Shutdown;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch::Sender;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Puts the tokens of the file in force whenever it has changed, until shutdown. A file that cannot be read changes nothing;
/// one without tokens lets nobody in.
pub(crate) async fn watch(
    config: TokensConfig,
    tokens: Sender<Arc<Vec<Token>>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let Some(path) = config.api_tokens_file.clone() else {
        shutdown.asked().await;
        return Ok(());
    };
    // What was read at the start may be older than this: the first look reads it again.
    let mut seen: Option<(SystemTime, u64)> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.asked() => return Ok(()),
        }
        let found = tokio::fs::metadata(&path).await.and_then(|meta| Ok((meta.modified()?, meta.len())));
        let found = match found {
            Ok(found) if seen == Some(found) => continue,
            Ok(found) => Some(found),
            Err(_) if seen.is_none() => continue,
            Err(_) => None,
        };
        match config.read() {
            Ok(read) => {
                tracing::info!(tokens = read.len(), "the API tokens were read");
                tokens.send_replace(read.into());
            }
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the API tokens could not be read; those before stay in force"
                );
            }
        }
        seen = found;
    }
}
