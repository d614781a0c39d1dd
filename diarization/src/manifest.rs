//! The manifest of a model folder: which files, what they are, and their checksums.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// `manifest.json` of a model folder.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// Name that every analysis and every vector carries.
    pub model_version: String,
    /// The segmentation model.
    pub segmentation: ModelFile,
    /// The embedding model.
    pub embedding: ModelFile,
}

/// One model file.
#[derive(Clone, Debug, Deserialize)]
pub struct ModelFile {
    /// File name inside the folder.
    pub file: String,
    /// Checksum of the file, hexadecimal.
    pub sha256: String,
    /// Samples per second that the model was trained on.
    pub sample_rate: u32,
    /// Length of the vectors, for an embedding model.
    pub dimension: Option<usize>,
    /// Features that it takes, for an embedding model.
    pub features: Option<String>,
    /// Licence of the weights.
    pub licence: String,
    /// Origin of the weights.
    pub provenance: String,
}

/// The model folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file is missing or unreadable.
    #[error("cannot read {path}: {source} (set THROUGHLINE_MODELS to the folder that holds manifest.json)")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error that the system gave.
        source: io::Error,
    },
    /// The manifest is not what it should be.
    #[error("{path} is not a model manifest: {source}")]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// Fault of the manifest.
        source: serde_json::Error,
    },
    /// A model file has other contents than the manifest says.
    #[error("{path} is damaged or is another model: its sha256 is {found}, the manifest says {expected}")]
    Checksum {
        /// The model file.
        path: PathBuf,
        /// Checksum of the file.
        found: String,
        /// Checksum in the manifest.
        expected: String,
    },
    /// The models do not fit this program.
    #[error("{path}: {problem}")]
    Unfit {
        /// The manifest.
        path: PathBuf,
        /// Reason why they do not fit.
        problem: String,
    },
}

impl Manifest {
    /// Reads `manifest.json` in `folder`. The model files are not opened.
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        let path = folder.join("manifest.json");
        let text = read(&path)?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|source| ManifestError::Parse { path: path.clone(), source })?;
        for model in [&manifest.segmentation, &manifest.embedding] {
            if model.sample_rate != crate::blocks::SAMPLE_RATE {
                let problem =
                    format!("{} wants {} Hz; this program works at 16000 Hz", model.file, model.sample_rate);
                return Err(ManifestError::Unfit { path, problem });
            }
        }
        if manifest.embedding.dimension.is_none_or(|d| d == 0) {
            let problem = "the embedding model's dimension is missing".to_owned();
            return Err(ManifestError::Unfit { path, problem });
        }
        let features = manifest.embedding.features.as_deref().unwrap_or("no features");
        if features != crate::features::NAME {
            let problem = format!(
                "{} takes {features}; this program computes {}",
                manifest.embedding.file,
                crate::features::NAME
            );
            return Err(ManifestError::Unfit { path, problem });
        }
        Ok(manifest)
    }

    /// Length of the voice vectors.
    pub fn dimension(&self) -> usize {
        self.embedding.dimension.unwrap_or_default()
    }
}

impl ModelFile {
    /// Reads the file out of `folder` and checks it against the manifest.
    pub fn load(&self, folder: &Path) -> Result<Vec<u8>, ManifestError> {
        let path = folder.join(&self.file);
        let bytes = read(&path)?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != self.sha256 {
            return Err(ManifestError::Checksum { path, found, expected: self.sha256.clone() });
        }
        Ok(bytes)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    std::fs::read(path).map_err(|source| ManifestError::Read { path: path.to_owned(), source })
}
