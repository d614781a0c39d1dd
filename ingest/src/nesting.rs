//! Nesting: the time-outs of ingest, and which lies within which.

use crate::config::Config;
use crate::heartbeats::FORGET_AFTER;
use crate::http::guard::ANSWER_WITHIN;
use crate::http::tus::COMPOSED_WITHIN;
use crate::operations::read::ALIVE_WITHIN;
use crate::outbox;
use crate::recordings::one_at_a_time::TURN_WITHIN;
use crate::recordings::{claims, resumable};
use crate::upkeep::orphans::{ORPHAN_AFTER, UPLOAD_WITHIN};
use crate::webhooks::sender;
use service_kit::heartbeat::BEAT_EVERY;
use service_kit::nesting::{Limit, Nesting};
use service_kit::transaction::{IDLE_WITHIN, READ_WITHIN, WHOLE_WITHIN};
use std::time::Duration;

/// Time-outs in pairs: the first of a pair lies within the second.
pub(crate) fn of(config: &Config) -> Nesting {
    let fixed = Limit::fixed;
    let answer = || fixed("the answer to a request", ANSWER_WITHIN);
    let upload = Duration::from_secs(config.limits.max_upload_seconds);
    vec![
        (fixed("a change in the database", WHOLE_WITHIN), answer()),
        (fixed("a read from the database", READ_WITHIN), answer()),
        (fixed("waiting for other changes of a recording", TURN_WITHIN), answer()),
        (fixed("putting a resumable upload together", COMPOSED_WITHIN), answer()),
        (
            fixed("waiting for the broker's confirm of a message from the outbox", outbox::CONFIRM_WITHIN),
            fixed("an idle transaction", IDLE_WITHIN),
        ),
        (
            fixed("two renewals of an upload's key", claims::RENEW * 2),
            fixed("a hold on an upload's key", Duration::from_secs_f64(claims::HOLDS)),
        ),
        (
            fixed("two renewals of a resumable upload", resumable::RENEW * 2),
            fixed("a hold on a resumable upload", Duration::from_secs_f64(resumable::HOLDS)),
        ),
        (
            fixed("a webhook's answer", sender::CONNECT_WITHIN + sender::ANSWER_WITHIN),
            fixed("the lease of a webhook's event", Duration::from_secs_f64(sender::LEASE)),
        ),
        (
            Limit::set("one upload", upload, "THROUGHLINE_MAX_UPLOAD_SECONDS"),
            fixed("the age from which an upload is refused", UPLOAD_WITHIN + Duration::from_secs(1)),
        ),
        (
            fixed("the age from which an upload is refused", UPLOAD_WITHIN),
            fixed("the age from which a stored file is nobody's", ORPHAN_AFTER),
        ),
        (
            fixed("two signs of life", BEAT_EVERY * 2),
            fixed("the silence of a process that counts as alive", ALIVE_WITHIN),
        ),
        (
            fixed("the silence of a process that counts as alive", ALIVE_WITHIN),
            fixed("the silence after which a process is forgotten", FORGET_AFTER),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use service_kit::nesting;

    fn config(arguments: &[&str]) -> Config {
        let needed = ["ingest", "--object-store=file:///o", "--database-url=postgres://d"];
        Config::try_parse_from(needed.iter().chain(arguments)).expect("parses")
    }

    #[test]
    fn the_time_outs_nest_as_they_are_and_an_upload_that_would_be_refused_at_its_end_is_named() {
        assert_eq!(nesting::check(of(&config(&[]))), Ok(()));
        let long = nesting::check(of(&config(&["--max-upload-seconds=90000"]))).expect_err("does not nest");
        assert!(long.to_string().contains("THROUGHLINE_MAX_UPLOAD_SECONDS=90000"), "{long}");
    }
}
