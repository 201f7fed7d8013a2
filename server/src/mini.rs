//! The model inside this program: zyron-mini, which is served where no other is named.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Its name in the API, and that of its file.
pub(crate) const NAME: &str = "zyron-mini";

const GGUF: &[u8] = include_bytes!("../../model/zyron-mini/zyron-mini.Q8_0.gguf");

const CARD: &str = include_str!("../../model/zyron-mini/README.md");

/// zyron-mini as a file, which engines need to load it. Nobody else can reach it, and it is gone with this value:
/// once loaded, an engine has what it needs of it.
pub(crate) struct Unpacked {
    path: PathBuf,
    _folder: TempDir,
}

impl Unpacked {
    /// # Errors
    /// Where the folder for temporary files (`TMPDIR`) cannot be written to.
    pub(crate) fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("zyron-").tempdir()?;
        let path = folder.path().join(NAME).with_extension("gguf");
        std::fs::write(&path, GGUF)?;
        std::fs::write(path.with_extension("md"), CARD)?;
        Ok(Self { path, _folder: folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
