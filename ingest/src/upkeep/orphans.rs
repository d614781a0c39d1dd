//! Orphans: folders of the object store that no recording knows of, left by uploads whose process died before they were
//! accepted, or by a store that was away when something should have been deleted.
//!
//! The age of a folder is that of the id it is called by. One that is younger than any upload can be is left alone, and so is one
//! whose name is no id of ours.

use super::{UpkeepError, identity};
use crate::context::{Context, folder};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Folder of all recordings.
const RECORDINGS: &str = "recordings";
/// Folders asked after at once, and in one pass at most.
const PAGE: usize = 500;
const MOST: usize = 100_000;
/// An upload that takes longer is refused, so that it cannot be taken for an orphan.
pub(crate) const UPLOAD_WITHIN: Duration = Duration::from_secs(12 * 3600);
/// Age from which a folder without a recording is nobody's.
pub(crate) const ORPHAN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Looks through all folders, some in each pass.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Last folder looked at.
    after: Option<String>,
}

impl Sweep {
    /// Looks at the next folders and deletes those that are nobody's.
    pub(crate) async fn pass(&mut self, context: &Context) -> Result<(), UpkeepError> {
        identity::check(context).await?;
        let mut looked_at = 0;
        while looked_at < MOST && !context.shutdown.is_asked() {
            let page = context.objects.folders(RECORDINGS, self.after.as_deref(), PAGE).await?;
            let last = page.last().cloned();
            let old: Vec<Uuid> = page.iter().filter_map(|name| old_enough(name, SystemTime::now())).collect();
            for orphan in unknown(context, &old).await? {
                let objects = context.objects.delete_folder(&folder(orphan)).await?;
                tracing::warn!(recording = %orphan, objects, "deleted what was stored of no recording");
                metrics::counter!("throughline_orphans_deleted_total").increment(1);
            }
            looked_at += page.len();
            self.after = last.filter(|_| page.len() == PAGE);
            if self.after.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Those of `ids` of which there is neither a recording nor an upload nor an erasure.
async fn unknown(context: &Context, ids: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM UNNEST($1::uuid[]) AS id
           WHERE NOT EXISTS (SELECT 1 FROM recordings r WHERE r.id = id.id)
             AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.recording_id = id.id)
             AND NOT EXISTS (SELECT 1 FROM resumable_uploads u WHERE u.id = id.id)"#,
        ids
    )
    .fetch_all(&context.pool)
    .await
}

/// The id that a folder is called by, if ours and older at `now` than any upload can be.
fn old_enough(name: &str, now: SystemTime) -> Option<Uuid> {
    let id: Uuid = name.parse().ok().filter(|id: &Uuid| id.to_string() == name)?;
    (age(id, now)? >= ORPHAN_AFTER).then_some(id)
}

/// Time since an id of ours was made, as of `now`; `None` for an id that does not say so, or that is of later than `now`.
pub(crate) fn age(id: Uuid, now: SystemTime) -> Option<Duration> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    now.duration_since(UNIX_EPOCH + Duration::new(seconds, nanoseconds)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::{NoContext, Timestamp};

    #[test]
    fn only_what_is_called_by_an_old_id_of_ours_can_be_nobodys() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let made = |seconds: u64| Uuid::new_v7(Timestamp::from_unix(NoContext, 1_800_000_000 - seconds, 0));
        let (old, young) = (made(25 * 3600), made(23 * 3600));
        assert_eq!(old_enough(&old.to_string(), now), Some(old));
        assert_eq!(old_enough(&young.to_string(), now), None);
        assert_eq!(old_enough(&old.simple().to_string(), now), None);
        assert_eq!(old_enough(&Uuid::from_u128(7).to_string(), now), None);
        assert_eq!(old_enough("lost+found", now), None);
        assert!(UPLOAD_WITHIN < ORPHAN_AFTER);
    }
}
