//! The service over real RabbitMQ and Postgres, spoken to as its users do.

mod access;
mod browsers;
mod callers;
mod cancelling;
mod changes;
mod corrections;
mod decoding;
mod floods;
mod hosts;
mod injection;
mod keys;
mod late;
mod limits;
mod line;
mod locked;
mod openapi;
mod operations;
mod outbox;
mod pages;
mod raw;
mod reader;
mod reading;
mod resumable;
mod resumed_by_tus_js;
mod review;
#[path = "../../../diarization/tests/support/scene.rs"]
mod scene;
mod schema;
mod stack;
mod takeover;
mod turns;
mod upkeep;
mod uploads;
mod webhooks;
