//! The service over real RabbitMQ and Postgres, spoken to as its users do.

mod access;
mod changes;
mod decoding;
mod outbox;
mod reading;
mod stack;
mod takeover;
mod uploads;
