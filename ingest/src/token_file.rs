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
                put_in_force(&tokens, read);
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

/// Puts `read` in force, which ends what goes on under tokens; nothing ends where they are those that are in force.
fn put_in_force(tokens: &Sender<Arc<Vec<Token>>>, read: Vec<Token>) {
    tokens.send_if_modified(|tokens| {
        let others = **tokens != read;
        if others {
            *tokens = read.into();
        }
        others
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_read_again_are_news_only_where_they_are_others() {
        let token = |name: &str| Token::new(name, name.as_bytes());
        let tokens = Sender::new(Arc::new(vec![token("ann"), token("bob")]));
        let told = tokens.subscribe();
        put_in_force(&tokens, vec![token("ann"), token("bob")]);
        assert!(!told.has_changed().expect("is there"));
        put_in_force(&tokens, vec![token("bob")]);
        assert!(told.has_changed().expect("is there"));
        assert_eq!(**told.borrow(), [token("bob")]);
    }
}
