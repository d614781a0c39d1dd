//! Identity: whether the object store is the one that the database tells of.
//!
//! A volume that is not mounted looks like an empty folder, in which everything seems to be deleted; and to a new database
//! everything in a store seems to be nobody's. So the database knows its store by an object in it.

use super::UpkeepError;
use crate::context::Context;
use service_kit::object_store::{Objects, STORE_ID, StoreError};
use service_kit::transaction;
use uuid::Uuid;

/// The store as the database knows it.
struct Known {
    id: Uuid,
    /// True once the mark is stored in the object store.
    marked: bool,
}

/// An error unless the store is the one that the database tells of. A store and a database that are both new are made acquainted.
pub(crate) async fn check(context: &Context) -> Result<(), UpkeepError> {
    let mut found = read(&context.objects).await?;
    let known = match known(context).await? {
        None if found.is_none() => Some(choose(context).await?),
        known => known,
    };
    if let Some(known) = &known
        && !known.marked
        && found.is_none_or(|found| found == known.id)
    {
        // Chosen before it is stored, and noted after: wherever we die, the next one stores the same mark.
        context.objects.put(STORE_ID, known.id.to_string().into_bytes()).await?;
        note(context).await?;
        found = Some(known.id);
    }
    compare(known.map(|known| known.id), found).map_err(UpkeepError::OtherStore)
}

fn compare(known: Option<Uuid>, found: Option<Uuid>) -> Result<(), &'static str> {
    match (known, found) {
        (Some(known), Some(found)) if known == found => Ok(()),
        (_, None) => Err("it holds nothing of it; is it mounted?"),
        (None, Some(_)) => Err("it belongs to another database"),
        (Some(_), Some(_)) => Err("it is another store"),
    }
}

async fn read(objects: &Objects) -> Result<Option<Uuid>, StoreError> {
    match objects.get(STORE_ID).await {
        // One that is no id is nobody's we know.
        Ok(bytes) => {
            Ok(Some(std::str::from_utf8(&bytes).ok().and_then(|t| t.parse().ok()).unwrap_or_default()))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn known(context: &Context) -> Result<Option<Known>, sqlx::Error> {
    sqlx::query_as!(Known, "SELECT id, marked FROM object_store").fetch_optional(&context.pool).await
}

/// Chooses the store's mark, once, whoever comes first.
async fn choose(context: &Context) -> Result<Known, sqlx::Error> {
    transaction::run(&context.pool, "choose store", &context.shutdown, async |transaction| {
        sqlx::query!("INSERT INTO object_store (id) VALUES ($1) ON CONFLICT DO NOTHING", Uuid::now_v7())
            .execute(&mut **transaction)
            .await?;
        sqlx::query_as!(Known, "SELECT id, marked FROM object_store").fetch_one(&mut **transaction).await
    })
    .await
}

/// Notes that the mark is stored.
async fn note(context: &Context) -> Result<(), sqlx::Error> {
    transaction::run(&context.pool, "note store", &context.shutdown, async |transaction| {
        sqlx::query!("UPDATE object_store SET marked = true").execute(&mut **transaction).await?;
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_store_that_bears_the_mark_is_ours() {
        let (ours, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        assert_eq!(compare(ours, ours), Ok(()));
        for (known, found) in [(ours, other), (ours, None), (None, ours), (None, None)] {
            assert!(compare(known, found).is_err(), "{known:?} {found:?}");
        }
    }
}
