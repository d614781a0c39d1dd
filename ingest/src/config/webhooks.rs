//! Webhooks: where events may be sent.

use clap::{ArgAction, Args};

/// Where events may be sent.
#[derive(Args, Clone, Debug)]
pub struct WebhooksConfig {
    /// Takes webhooks to private, local and otherwise special addresses too, and such that begin with http://. For receivers in one's own
    /// network, where everybody who may call the API may also reach what this service can reach.
    #[arg(long, env = "THROUGHLINE_WEBHOOK_ALLOW_PRIVATE", action = ArgAction::Set, default_value_t = false, num_args = 0..=1, default_missing_value = "true")]
    pub webhook_allow_private: bool,
}
