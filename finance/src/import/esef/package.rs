//! A report package: the ZIP that a report is filed as.
//!
//! By the rules the documents are in `reports`, in one folder that everything is in; a report of several documents has
//! a folder of its own there (Report Packages 1.0, XBRL International). Packages without either are common.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::import::ImportError;

/// Files of a package.
const MOST_FILES: usize = 10_000;

/// The files of a ZIP.
pub(super) struct Package<'a> {
    name: &'a str,
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Their paths in it, `\` for `/` corrected, each with its number there.
    paths: Vec<(String, usize)>,
}

/// Of a package the documents that are one report, and those that are not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) report: Vec<String>,
    pub(super) others: Vec<String>,
}

impl<'a> Package<'a> {
    /// Whether `bytes` begin as a ZIP does.
    pub(super) fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK")
    }

    /// # Errors
    /// Where it is damaged or has too many files.
    pub(super) fn open(bytes: &'a [u8], name: &'a str) -> Result<Self, ImportError> {
        let damaged = |_| ImportError::damaged(name, "archive ZIP abîmée");
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        if archive.len() > MOST_FILES {
            return Err(ImportError::too_large(name, format!("plus de {MOST_FILES} fichiers")));
        }
        let paths = archive.file_names().enumerate();
        let paths = paths.filter_map(|(at, path)| Some((path.ok()?.replace('\\', "/"), at))).collect();
        Ok(Self { name, archive, paths })
    }

    /// Its documents.
    pub(super) fn documents(&self) -> Choice {
        choose(self.paths.iter().map(|(path, _)| path.as_str()))
    }

    /// The French labels of the company's own elements.
    pub(super) fn labels(&self) -> Option<String> {
        let is_it = |path: &&(String, usize)| path.0.to_lowercase().ends_with("lab-fr.xml") && is_visible(&path.0);
        self.paths.iter().find(is_it).map(|(path, _)| path.clone())
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// Where they are written in a way that no package may be, such as with a password.
    pub(super) fn file(&mut self, path: &str) -> Result<impl Read, ImportError> {
        let at = self.paths.iter().find(|(known, _)| known == path).map_or(usize::MAX, |(_, at)| *at);
        let damaged = |_| ImportError::damaged(&format!("{}/{path}", self.name), "fichier compressé illisible");
        self.archive.by_index(at).map_err(damaged)
    }
}

/// The documents among `paths`: the first in `reports`, with those beside it where it is in a folder there; where
/// nothing is in `reports`, the first anywhere.
fn choose<'a>(paths: impl Iterator<Item = &'a str>) -> Choice {
    let is_document = |path: &&str| {
        let path = path.to_lowercase();
        is_visible(&path) && [".xhtml", ".html", ".htm"].iter().any(|ending| path.ends_with(ending))
    };
    let mut all: Vec<&str> = paths.filter(is_document).collect();
    if all.iter().any(|path| in_reports(path).is_some()) {
        all.retain(|path| in_reports(path).is_some());
    }
    all.sort_by_key(|path| (path.matches('/').count(), *path));
    let Some(first) = all.first().copied() else { return Choice::default() };
    let folder = |path: &'a str| path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_set = in_reports(first).is_some_and(|rest| rest.contains('/'));
    let (report, others): (Vec<&str>, Vec<&str>) =
        all.into_iter().partition(|path| *path == first || is_set && folder(path) == folder(first));
    let owned = |paths: Vec<&str>| paths.into_iter().map(str::to_owned).collect();
    Choice { report: owned(report), others: owned(others) }
}

/// The path within `reports`, which is the first folder or in the first.
fn in_reports(path: &str) -> Option<&str> {
    path.strip_prefix("reports/").or_else(|| path.split_once('/')?.1.strip_prefix("reports/"))
}

/// What macOS adds is hidden, or in a folder of its own.
fn is_visible(path: &str) -> bool {
    !path.split('/').any(|part| part.starts_with('.') || part.to_lowercase() == "__macosx")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_found_in_packages_as_they_are() {
        for (paths, report, others) in [
            (
                &["a/META-INF/taxonomyPackage.xml", "a/reports/a.xhtml", "a/www.a.fr/a.xsd"][..],
                &["a/reports/a.xhtml"][..],
                0,
            ),
            (&["reports/b.html", "reports/a.HTM", "__MACOSX/reports/._a.htm"], &["reports/a.HTM"], 1),
            (&["a/reports/fr/2.xhtml", "a/reports/fr/1.xhtml", "a/reports/en/1.xhtml"], &["a/reports/en/1.xhtml"], 2),
            (&["a/reports/fr/2.xhtml", "a/reports/fr/1.xhtml"], &["a/reports/fr/1.xhtml", "a/reports/fr/2.xhtml"], 0),
            (&["a/reports/x/1.xhtml", "a/reports/a.xhtml", "a/other.xhtml"], &["a/reports/a.xhtml"], 1),
            (&["report.xhtml", "a.pdf"], &["report.xhtml"], 0),
            (&["deep/down/report.xhtml", "b.xhtml"], &["b.xhtml"], 1),
            (&["a.pdf", "a/.DS_Store", ""], &[], 0),
        ] {
            let choice = choose(paths.iter().copied());
            assert_eq!(choice.report, report, "{paths:?}");
            assert_eq!(choice.others.len(), others, "{paths:?}");
        }
    }
}
