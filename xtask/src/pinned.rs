//! Downloaded files whose every byte is known beforehand.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// What such a file is known by.
pub(crate) struct Pinned {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
    pub(crate) sha256: &'static str,
}

impl Pinned {
    /// Reads it and says what differs.
    pub(crate) fn verify(&self, path: &Path) -> Result<()> {
        let unreadable = || format!("could not read {}", path.display());
        let mut file = File::open(path).with_context(unreadable)?;
        let bytes = file.metadata().with_context(unreadable)?.len();
        ensure!(bytes == self.bytes, "{} has {bytes} bytes instead of {}", self.name, self.bytes);
        let mut hasher = Sha256::new();
        io::copy(&mut file, &mut hasher).with_context(unreadable)?;
        let sha256 = format!("{:x}", hasher.finalize());
        ensure!(sha256 == self.sha256, "{} has the checksum {sha256} instead of {}", self.name, self.sha256);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const ABC: Pinned =
        Pinned { name: "abc", bytes: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };

    #[test]
    fn a_whole_file_is_told_from_a_damaged_one() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("abc");
        assert!(ABC.verify(&path).unwrap_err().to_string().starts_with("could not read"));
        fs::write(&path, "abc").unwrap();
        ABC.verify(&path).unwrap();
        fs::write(&path, "ab").unwrap();
        assert_eq!(ABC.verify(&path).unwrap_err().to_string(), "abc has 2 bytes instead of 3");
        fs::write(&path, "abd").unwrap();
        assert!(ABC.verify(&path).unwrap_err().to_string().starts_with("abc has the checksum a52d159f"));
    }
}
