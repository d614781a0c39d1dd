//! Identity: whether the object store is the one that the database tells of.
//!
//! A volume that is not mounted looks like an empty folder, in which everything seems to be deleted; and to a new database
//! everything in a store seems to be nobody's. So the database knows its store by an object in it.

use super::UpkeepError;
use crate::context::Context;
use service_kit::object_store::{Objects, StoreError};
use service_kit::transaction;
use uuid::Uuid;

/// The object by which a store is known.
pub(crate) const OBJECT: &str = "store-id";

/// An error unless the store is the one that the database tells of. A store and a database that are both new are made acquainted.
pub(crate) async fn check(context: &Context) -> Result<(), UpkeepError> {
    let known = sqlx::query_scalar!("SELECT id FROM object_store").fetch_optional(&context.pool).await?;
    let (known, found) = match (known, read(&context.objects).await?) {
        (None, None) => introduce(context).await?,
        both => both,
    };
    compare(known, found).map_err(UpkeepError::OtherStore)
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
    match objects.get(OBJECT).await {
        // One that is no id is nobody's we know.
        Ok(bytes) => {
            Ok(Some(std::str::from_utf8(&bytes).ok().and_then(|t| t.parse().ok()).unwrap_or_default()))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Marks the store and notes the mark; one process at a time. Returns what the database and the store then say.
async fn introduce(context: &Context) -> Result<(Option<Uuid>, Option<Uuid>), UpkeepError> {
    let new = Uuid::now_v7();
    let work = async |transaction: &mut sqlx::PgTransaction<'static>| {
        sqlx::query!("LOCK TABLE object_store IN EXCLUSIVE MODE").execute(&mut **transaction).await?;
        let known =
            sqlx::query_scalar!("SELECT id FROM object_store").fetch_optional(&mut **transaction).await?;
        let mut found = match read(&context.objects).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        if known.is_some() {
            return Ok(Ok((known, found)));
        }
        if found.is_none() {
            if let Err(error) = context.objects.put(OBJECT, new.to_string().into_bytes()).await {
                return Ok(Err(error));
            }
            found = Some(new);
        }
        // Also where an attempt before this one had stored the mark.
        if found == Some(new) {
            sqlx::query!("INSERT INTO object_store (id) VALUES ($1)", new)
                .execute(&mut **transaction)
                .await?;
            return Ok(Ok((found, found)));
        }
        Ok(Ok((None, found)))
    };
    Ok(transaction::run(&context.pool, "introduce store", &context.shutdown, work).await??)
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
