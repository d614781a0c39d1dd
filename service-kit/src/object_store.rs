//! Object store: uploads and chunks, in a local folder or in S3.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// Bytes per part of a streamed object.
const PART: usize = 8 << 20;
/// Parts under way at once.
const PARTS_AT_ONCE: usize = 2;

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store.
    #[error("'{0}' is no object store: use file:///folder or s3://bucket/prefix")]
    Url(String),
    /// The folder cannot be made.
    #[error("the object store's folder {0} cannot be made: {1}")]
    Folder(String, std::io::Error),
    /// The store refused or cannot be reached.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
    /// What was to be stored could not be read, or what was fetched not be written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl StoreError {
    /// True where the object does not exist, which no retry will mend.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Store(object_store::Error::NotFound { .. }))
    }
}

/// Uploads and chunks. Clones share the store.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
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
            let store = object_store::local::LocalFileSystem::new_with_prefix(folder)?
                .with_automatic_cleanup(true)
                .with_fsync(true);
            return Ok(Self { store: Arc::new(store), prefix: Key::default() });
        }
        if parsed.scheme() != "s3" {
            return Err(StoreError::Url(url.to_owned()));
        }
        let settings =
            std::env::vars().filter(|(key, _)| key.starts_with("AWS_")).map(|(k, v)| (k.to_lowercase(), v));
        let (store, prefix) = object_store::parse_url_opts(&parsed, settings)?;
        Ok(Self { store: store.into(), prefix })
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
            writer.wait_for_capacity(PARTS_AT_ONCE).await.map_err(StoreError::from)?;
            writer.put(part);
        }
        writer.finish().await.map_err(StoreError::from)?;
        Ok(written)
    }

    /// The bytes of `object`.
    pub async fn get(&self, object: &str) -> Result<Bytes, StoreError> {
        Ok(self.store.get(&self.key(object)).await?.bytes().await?)
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

    /// Deletes everything under `folder`; returns how many objects there were.
    pub async fn delete_folder(&self, folder: &str) -> Result<usize, StoreError> {
        let keys: Vec<Key> =
            self.store.list(Some(&self.key(folder))).map_ok(|meta| meta.location).try_collect().await?;
        for key in &keys {
            self.store.delete(key).await?;
        }
        Ok(keys.len())
    }
}

/// Why a stream was not stored.
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

    #[test]
    fn a_url_that_is_no_store_is_refused_with_advice() {
        let error = Objects::open("ftp://x/y").expect_err("is refused").to_string();
        assert!(error.contains("file:///folder or s3://bucket/prefix"), "{error}");
    }
}
