//! Token file: read again and again, so that tokens come and go without a restart. What is no longer in it lets nobody in: without the
//! file, nothing of it does.

use crate::config::TokensConfig;
use crate::config::tokens::{self, Token};
use service_kit::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Sender;

/// Time between two reads of the file.
const LOOK: Duration = Duration::from_secs(1);

/// Puts the tokens of the file in force whenever it has changed, until shutdown. A line that cannot be used lets nobody in, and neither does
/// a file that cannot be read; the others hold.
pub(crate) async fn watch(
    config: TokensConfig,
    tokens: Sender<Arc<Vec<Token>>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let Some(path) = config.api_tokens_file.clone() else {
        shutdown.asked().await;
        return Ok(());
    };
    // What was read at the start may be older than this: the first look counts as a change.
    let mut seen = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.asked() => return Ok(()),
        }
        let text = tokio::fs::read_to_string(&path).await.map_err(|error| error.to_string());
        if seen.as_ref() == Some(&text) {
            continue;
        }
        let mut read = config.without_file();
        match &text {
            Ok(text) => {
                let (of_file, refused) = tokens::parse(text);
                read.extend(of_file);
                for error in refused {
                    let error = format!("{error:#}");
                    tracing::error!(file = %path.display(), error, "a line of the API tokens cannot be used; its token is not taken");
                }
            }
            Err(error) => {
                tracing::error!(file = %path.display(), error, "the API tokens cannot be read; none of them is taken until they can");
            }
        }
        if put_in_force(&tokens, read) {
            tracing::info!(tokens = tokens.borrow().len(), "other API tokens are in force");
        }
        seen = Some(text);
    }
}

/// Puts `read` in force, which ends what goes on under tokens; false, and nothing ends, where they are those that are in force.
fn put_in_force(tokens: &Sender<Arc<Vec<Token>>>, read: Vec<Token>) -> bool {
    tokens.send_if_modified(|tokens| {
        let others = **tokens != read;
        if others {
            *tokens = read.into();
        }
        others
    })
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
