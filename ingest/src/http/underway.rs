//! Underway: the uploads that come in, of which there are so many at once, and so many of each client.

use super::peer::{Share, Shares};
use super::problem::ApiError;
use crate::config::LimitsConfig;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for uploads.
#[derive(Clone, Debug)]
pub struct Underway {
    all: Arc<Semaphore>,
    of_each: Shares,
}

/// The place of one upload, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _one: OwnedSemaphorePermit,
    _share: Share,
}

impl Underway {
    /// As many as `limits` say.
    pub fn new(limits: &LimitsConfig) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.max_concurrent_uploads as usize)),
            of_each: Shares::new(limits.max_uploads_per_address),
        }
    }

    /// A place for an upload of `client`, where there is one.
    pub(crate) fn place(&self, client: IpAddr) -> Result<Place, ApiError> {
        let share = self.of_each.take(client).ok_or_else(|| turned_away(ApiError::BusyAddress))?;
        let one = self.all.clone().try_acquire_owned().map_err(|_| turned_away(ApiError::Busy))?;
        Ok(Place { _one: one, _share: share })
    }

    /// The same, waiting up to `within` for one.
    pub(crate) async fn place_within(&self, client: IpAddr, within: Duration) -> Result<Place, ApiError> {
        let share = self.of_each.take(client).ok_or_else(|| turned_away(ApiError::BusyResumable))?;
        match tokio::time::timeout(within, self.all.clone().acquire_owned()).await {
            Ok(Ok(one)) => Ok(Place { _one: one, _share: share }),
            _ => Err(turned_away(ApiError::BusyResumable)),
        }
    }
}

fn turned_away(error: ApiError) -> ApiError {
    metrics::counter!("throughline_uploads_turned_away_total").increment(1);
    error
}
