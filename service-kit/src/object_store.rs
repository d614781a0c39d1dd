//! Object store: uploads and chunks, in a local folder or in S3.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// The object by which a store is known: ingest stores it before anything else is ever deleted there, and it stays.
pub const STORE_ID: &str = "store-id";
/// Bytes per part of a streamed object.
const PART: usize = 8 << 20;
/// Bytes of a probe: more than a file system hides in a directory entry.
const PROBE: usize = 64 << 10;
/// Parts under way at once.
const PARTS_AT_ONCE: usize = 2;
/// Looks at a folder that is being deleted, until one finds it empty.
const LOOKS: usize = 5;

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store.
    #[error("'{0}' is no object store: use file:///folder or s3://bucket/prefix")]
    Url(String),
    /// The folder cannot be made or read.
    #[error("the object store's folder {0} cannot be used: {1}")]
    Folder(String, std::io::Error),
    /// The store refused or cannot be reached.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
    /// An object is not what was stored.
    #[error("the object {object} has {found} bytes where {stored} were stored")]
    Size {
        /// The object.
        object: String,
        /// Bytes it has.
        found: u64,
        /// Bytes it should have.
        stored: u64,
    },
    /// A folder fills as fast as it is emptied.
    #[error("the folder {0} is not empty after it was deleted {LOOKS} times")]
    NotEmpty(String),
    /// Bytes to be stored could not be read, or bytes that were fetched could not be written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl StoreError {
    /// True where the object does not exist, which no retry will mend.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Store(object_store::Error::NotFound { .. }))
    }

    /// True where there is no room left on the disk, or none of a quota, which only an operator can mend.
    pub fn is_full(&self) -> bool {
        let mut error: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(cause) = error {
            let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            if matches!(
                kind,
                Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
            ) {
                return true;
            }
            error = cause.source();
        }
        false
    }
}

/// Uploads and chunks. Clones share the store.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    /// Folder of a local store: parts of unfinished uploads are in it, which the store does not list.
    local: Option<Arc<Path>>,
}

impl Objects {
    /// Opens the store at `url`: `file:///folder` (made if missing) or `s3://bucket/prefix`, whose credentials come from
    /// the usual `AWS_*` variables.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let parsed = url::Url::parse(url).map_err(|_| StoreError::Url(url.to_owned()))?;
        if parsed.scheme() == "file" {
            let folder = parsed.to_file_path().map_err(|()| StoreError::Url(url.to_owned()))?;
            std::fs::create_dir_all(&folder)
                .map_err(|e| StoreError::Folder(folder.display().to_string(), e))?;
            let store = object_store::local::LocalFileSystem::new_with_prefix(&folder)?
                .with_automatic_cleanup(true)
                .with_fsync(true);
            return Ok(Self { store: Arc::new(store), prefix: Key::default(), local: Some(folder.into()) });
        }
        if parsed.scheme() != "s3" {
            return Err(StoreError::Url(url.to_owned()));
        }
        let settings =
            std::env::vars().filter(|(key, _)| key.starts_with("AWS_")).map(|(k, v)| (k.to_lowercase(), v));
        let (store, prefix) = object_store::parse_url_opts(&parsed, settings)?;
        Ok(Self { store: store.into(), prefix, local: None })
    }

    /// A store that lasts as long as its last clone.
    #[cfg(feature = "testing")]
    pub fn in_memory() -> Self {
        Self { store: Arc::new(object_store::memory::InMemory::new()), prefix: Key::default(), local: None }
    }

    /// Names of all objects under `folder`.
    #[cfg(feature = "testing")]
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let found = self.store.list(Some(&self.key(folder))).map_ok(|meta| meta.location.to_string());
        Ok(found.try_collect().await?)
    }

    fn key(&self, object: &str) -> Key {
        self.prefix.parts().chain(Key::from(object).parts()).collect()
    }

    /// Stores `bytes` under `object`, in place of what was there.
    pub async fn put(&self, object: &str, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        self.store.put(&self.key(object), bytes.into()).await?;
        Ok(())
    }

    /// Stores a stream under `object`; a few parts are held in memory at most. On an error nothing is stored.
    pub async fn put_stream<E>(
        &self,
        object: &str,
        stream: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<u64, StreamError<E>> {
        let upload = self.store.put_multipart(&self.key(object)).await.map_err(StoreError::from)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut stream = std::pin::pin!(stream);
        let mut written = 0;
        while let Some(part) = stream.next().await {
            let part = match part {
                Ok(part) => part,
                Err(error) => {
                    writer.abort().await.map_err(StoreError::from)?;
                    return Err(StreamError::Source(error));
                }
            };
            written += part.len() as u64;
            if let Err(error) = writer.wait_for_capacity(PARTS_AT_ONCE).await {
                // Parts left in S3 would cost for ever; the first error is the one to tell.
                let _ = writer.abort().await;
                return Err(StoreError::from(error).into());
            }
            writer.put(part);
        }
        writer.finish().await.map_err(StoreError::from)?;
        Ok(written)
    }

    /// The bytes of `object`, of which `stored` were stored: one that has grown is not read into memory.
    pub async fn get_sized(&self, object: &str, stored: u64) -> Result<Bytes, StoreError> {
        let found = self.store.get(&self.key(object)).await?;
        if found.meta.size != stored {
            return Err(StoreError::Size { object: object.to_owned(), found: found.meta.size, stored });
        }
        Ok(found.bytes().await?)
    }

    /// The bytes of `object`, of which `stored` were stored, as they come.
    pub async fn read(
        &self,
        object: &str,
        stored: u64,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + Send + use<>, StoreError> {
        let found = self.store.get(&self.key(object)).await?;
        if found.meta.size != stored {
            return Err(StoreError::Size { object: object.to_owned(), found: found.meta.size, stored });
        }
        Ok(found.into_stream().map_err(StoreError::from))
    }

    /// Checks that the store answers at all: tells an object that cannot be read from a store that is away.
    pub async fn answers(&self) -> Result<(), StoreError> {
        // A folder that is gone would list as an empty one.
        if let Some(folder) = &self.local
            && let Err(error) = std::fs::read_dir(folder)
        {
            return Err(StoreError::Folder(folder.display().to_string(), error));
        }
        match self.store.list(Some(&self.prefix)).next().await {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Checks that the store takes anything: tells an object that cannot be stored from a store that is away or full.
    pub async fn takes(&self) -> Result<(), StoreError> {
        let probe = format!("probes/{}", uuid::Uuid::now_v7());
        self.put(&probe, Bytes::from_static(&[0; PROBE])).await?;
        Ok(self.store.delete(&self.key(&probe)).await?)
    }

    /// True where `object` is there.
    pub async fn has(&self, object: &str) -> Result<bool, StoreError> {
        match self.store.head(&self.key(object)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes of `object`.
    pub async fn get(&self, object: &str) -> Result<Bytes, StoreError> {
        Ok(self.store.get(&self.key(object)).await?.bytes().await?)
    }

    /// Bytes of `object`.
    pub async fn size(&self, object: &str) -> Result<u64, StoreError> {
        Ok(self.store.head(&self.key(object)).await?.size)
    }

    /// The bytes `range` of `object`, as they come from the store.
    pub async fn get_part(
        &self,
        object: &str,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static, StoreError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&self.key(object), options).await?;
        Ok(found.into_stream().map_err(StoreError::from))
    }

    /// Streams `object` into the file `path`.
    pub async fn get_to_file(&self, object: &str, path: &Path) -> Result<(), StoreError> {
        let mut stream = self.store.get(&self.key(object)).await?.into_stream();
        let mut file = tokio::fs::File::create(path).await?;
        while let Some(part) = stream.try_next().await? {
            file.write_all(&part).await?;
        }
        file.flush().await?;
        Ok(())
    }

    /// Deletes `object`, if it is there.
    pub async fn delete(&self, object: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.key(object)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes everything under `folder`, parts of unfinished uploads included, and looks again until nothing is there; returns
    /// how many objects there were.
    pub async fn delete_folder(&self, folder: &str) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for _ in 0..LOOKS {
            let keys: Vec<Key> =
                self.store.list(Some(&self.key(folder))).map_ok(|meta| meta.location).try_collect().await?;
            if keys.is_empty() {
                return self.delete_remains(folder).await.map(|()| deleted);
            }
            for key in &keys {
                match self.store.delete(key).await {
                    // Somebody else deletes the same.
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            deleted += keys.len();
        }
        Err(StoreError::NotEmpty(folder.to_owned()))
    }

    /// Deletes what a local store does not list: parts of uploads whose process died.
    async fn delete_remains(&self, folder: &str) -> Result<(), StoreError> {
        let Some(local) = &self.local else { return Ok(()) };
        match tokio::fs::remove_dir_all(local.join(folder)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Names of the first `limit` folders directly under `folder` that come after `after`, in order.
    pub async fn folders(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        if let Some(local) = &self.local {
            let (path, after) = (local.join(folder), after.map(str::to_owned));
            let listed = tokio::task::spawn_blocking(move || local_folders(&path, after.as_deref(), limit));
            return Ok(listed.await.map_err(std::io::Error::other)??);
        }
        let parent = self.key(folder);
        // The next character after the one that separates names: behind all that is in the folder `after`.
        let offset = after.map(|name| format!("{parent}/{name}0"));
        let mut listed = match offset {
            Some(offset) => self.store.list_with_offset(Some(&parent), &Key::from(offset)),
            None => self.store.list(Some(&parent)),
        };
        let mut names: Vec<String> = Vec::new();
        while let Some(meta) = listed.try_next().await? {
            let mut parts = meta.location.prefix_match(&parent).into_iter().flatten();
            let (Some(name), Some(_)) = (parts.next(), parts.next()) else { continue };
            if names.last().is_none_or(|last| last != name.as_ref()) {
                if names.len() == limit {
                    break;
                }
                names.push(name.as_ref().to_owned());
            }
        }
        Ok(names)
    }
}

fn local_folders(path: &Path, after: Option<&str>, limit: usize) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut first = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && after.is_none_or(|after| name.as_str() > after) {
            first.insert(name);
            if first.len() > limit {
                first.pop_last();
            }
        }
    }
    Ok(first.into_iter().collect())
}

/// Reason that a stream was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StreamError<E> {
    /// The stream itself broke off.
    #[error("the stream broke off")]
    Source(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempdir::Folder, Objects) {
        let folder = tempdir::Folder::new();
        let objects = Objects::open(&format!("file://{}", folder.0.display())).expect("opens");
        (folder, objects)
    }

    mod tempdir {
        pub struct Folder(pub std::path::PathBuf);
        impl Folder {
            pub fn new() -> Self {
                Self(std::env::temp_dir().join(format!("throughline-objects-{}", uuid::Uuid::now_v7())))
            }
        }
        impl Drop for Folder {
            fn drop(&mut self) {
                let _ = std::fs::remove_dir_all(&self.0);
            }
        }
    }

    #[tokio::test]
    async fn what_is_streamed_in_comes_out() {
        let (_folder, objects) = store();
        let parts = (0..5_u8).map(|i| Ok::<_, std::io::Error>(Bytes::from(vec![i; 3 << 20])));
        let written = objects.put_stream("a/b", futures::stream::iter(parts)).await.expect("stores");
        assert_eq!(written, 15 << 20);
        let bytes = objects.get("a/b").await.expect("is there");
        assert_eq!((bytes.len(), bytes[0], bytes[bytes.len() - 1]), (15 << 20, 0, 4));
    }

    #[tokio::test]
    async fn a_part_of_an_object_is_read_without_the_rest() {
        let (_folder, objects) = store();
        objects.put("a", Bytes::from_static(b"0123456789")).await.expect("stores");
        assert_eq!(objects.size("a").await.expect("is there"), 10);
        let part = objects.get_part("a", 3..7).await.expect("is there");
        let bytes: Vec<Bytes> = part.try_collect().await.expect("reads");
        assert_eq!(bytes.concat(), b"3456");
        assert!(objects.size("b").await.expect_err("is not there").is_not_found());
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_leaves_nothing() {
        let (_folder, objects) = store();
        let parts = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))];
        assert!(objects.put_stream("a", futures::stream::iter(parts)).await.is_err());
        assert!(objects.get("a").await.expect_err("is not there").is_not_found());
    }

    #[tokio::test]
    async fn a_folder_is_deleted_with_all_in_it_and_nothing_else() {
        let (_folder, objects) = store();
        for key in ["r1/upload", "r1/chunks/0", "r2/upload"] {
            objects.put(key, Bytes::from_static(b"x")).await.expect("stores");
        }
        assert_eq!(objects.delete_folder("r1").await.expect("deletes"), 2);
        assert!(objects.get("r2/upload").await.is_ok());
    }

    #[tokio::test]
    async fn parts_of_an_upload_whose_process_died_go_with_their_folder() {
        let (folder, objects) = store();
        objects.put("r1/upload", Bytes::from_static(b"x")).await.expect("stores");
        // As the local store names them.
        std::fs::write(folder.0.join("r1/upload#1"), b"half").expect("writes");
        assert_eq!(objects.delete_folder("r1").await.expect("deletes"), 1);
        assert!(!folder.0.join("r1").exists());
        assert_eq!(objects.delete_folder("r1").await.expect("deletes nothing"), 0);
    }

    #[tokio::test]
    async fn folders_are_listed_in_order_from_any_one_on() {
        let in_memory = Objects {
            store: Arc::new(object_store::memory::InMemory::new()),
            prefix: Key::from("bucket"),
            local: None,
        };
        let (_folder, local) = store();
        for objects in [local, in_memory] {
            assert!(objects.folders("r", None, 9).await.expect("lists").is_empty());
            for key in
                ["r/b/upload", "r/a/upload", "r/a/runs/1/chunks/0", "r/c/upload", "r/alone", "other/x/y"]
            {
                objects.put(key, Bytes::from_static(b"x")).await.expect("stores");
            }
            assert_eq!(objects.folders("r", None, 2).await.expect("lists"), ["a", "b"]);
            assert_eq!(objects.folders("r", Some("a"), 9).await.expect("lists"), ["b", "c"]);
            assert!(objects.folders("r", Some("c"), 9).await.expect("lists").is_empty());
        }
    }

    #[tokio::test]
    async fn an_object_that_is_not_what_was_stored_is_not_read() {
        let (folder, objects) = store();
        objects.put("a", Bytes::from_static(b"four")).await.expect("stores");
        assert_eq!(objects.get_sized("a", 4).await.expect("is there").as_ref(), b"four");
        // A hole of 1 TiB, as a poisoned store could hold.
        let file = std::fs::File::options().write(true).open(folder.0.join("a")).expect("opens");
        file.set_len(1 << 40).expect("grows");
        let error = objects.get_sized("a", 4).await.expect_err("is refused").to_string();
        assert!(error.contains("1099511627776 bytes where 4 were stored"), "{error}");
    }

    #[tokio::test]
    async fn a_store_that_is_gone_neither_answers_nor_takes() {
        let (folder, objects) = store();
        objects.answers().await.expect("answers");
        objects.takes().await.expect("takes");
        std::fs::remove_dir_all(&folder.0).expect("deletes");
        std::fs::write(&folder.0, b"a file in its place").expect("writes");
        assert!(objects.answers().await.is_err() && objects.takes().await.is_err());
        std::fs::remove_file(&folder.0).expect("deletes");
    }

    #[test]
    fn a_url_that_is_no_store_is_refused_with_advice() {
        let error = Objects::open("ftp://x/y").expect_err("is refused").to_string();
        assert!(error.contains("file:///folder or s3://bucket/prefix"), "{error}");
    }
}
