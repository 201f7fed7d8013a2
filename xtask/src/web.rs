//! The page: compiled to WebAssembly, made loadable by a browser, and laid out in `web/dist` for the server to embed.
//!
//! A file under `assets/` has a hash of its content in its name, so a browser may keep it for ever; `index.html` names
//! the ones that belong together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use wasm_bindgen_cli_support::Bindgen;

use crate::process::run;
use crate::rust_target;
use crate::workspace::Workspace;

/// What `cargo` compiles and what the browser loads it as: the page, what draws answers, and what reads files in a worker,
/// PDFs apart.
const NAMES: [&str; 4] = [PAGE, MARKDOWN, READER, PDF];
const PAGE: &str = "zyron_web";
const MARKDOWN: &str = "zyron_markdown";
const READER: &str = "zyron_reader";
const PDF: &str = "zyron_pdf";

/// Builds the page. What has not changed is not written, so that cargo need not embed it again.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    // A profile of its own, for size: what it is built with is used for nothing else.
    let mut cargo = workspace.cargo(["build", "--profile", "page", "--target", rust_target::WASM]);
    run(cargo.args(NAMES.map(|name| format!("--package={}", name.replace('_', "-")))))?;
    let compiled = workspace.target().join(rust_target::WASM).join("page");
    let bound = compiled.join("bound");
    for name in NAMES {
        bind(&compiled, name, &bound).with_context(|| format!("could not make {name}.wasm loadable"))?;
    }
    let files = lay_out(&workspace.path("web"), &bound)?;
    write(&workspace.path("web/dist"), &files)
}

fn bind(compiled: &Path, name: &str, to: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(compiled.join(format!("{name}.wasm"))).out_name(name).web(true)?.typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true).generate(to)
}

/// The files of `web/dist`, by name.
type Files = BTreeMap<String, Vec<u8>>;

fn lay_out(sources: &Path, bound: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut add = |name: &str, extension: &str, content: Vec<u8>| {
        let hash = format!("{:x}", Sha256::digest(&content));
        let path = format!("assets/{name}.{}.{extension}", &hash[..16]);
        files.insert(path.clone(), content);
        format!("/{path}")
    };
    let style = add("style", "css", read(&sources.join("style.css"))?);
    let mut module = |name: &str| -> Result<[String; 2]> {
        let wasm = add(name, "wasm", read(&bound.join(format!("{name}_bg.wasm")))?);
        Ok([add(name, "js", read(&bound.join(format!("{name}.js")))?), wasm])
    };
    let ([page, page_wasm], [markdown, markdown_wasm]) = (module(PAGE)?, module(MARKDOWN)?);
    let ([reader, reader_wasm], [pdf, pdf_wasm]) = (module(READER)?, module(PDF)?);
    let of_markdown = [("markdown_module", &*markdown), ("markdown_wasm", &markdown_wasm)];
    let of_page = [("module", &*page), ("wasm", &page_wasm)];
    let boot = fill(&sources.join("boot.js"), &[of_page, of_markdown].concat())?;
    let boot = add("boot", "js", boot.into_bytes());
    let of_reader = [("module", &*reader), ("wasm", &reader_wasm), ("pdf_module", &pdf), ("pdf_wasm", &pdf_wasm)];
    let worker = fill(&sources.join("reader.js"), &of_reader)?;
    let worker = add("reader", "js", worker.into_bytes());
    let named = [("style", &*style), ("module", &page), ("boot", &boot), ("reader", &worker)];
    let index = fill(&sources.join("index.html"), &named)?;
    files.insert("index.html".to_owned(), index.into_bytes());
    Ok(files)
}

fn fill(template: &Path, values: &[(&str, &str)]) -> Result<String> {
    let mut text = fs::read_to_string(template).with_context(|| format!("could not read {}", template.display()))?;
    for (name, value) in values {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("could not read {}", path.display()))
}

fn write(folder: &Path, files: &Files) -> Result<()> {
    let written = files.iter().try_for_each(|(name, content)| write_if_changed(&folder.join(name), content));
    written.and_then(|()| remove_others(folder, files)).with_context(|| format!("could not write {}", folder.display()))
}

fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    Ok(fs::write(path, content)?)
}

fn remove_others(folder: &Path, files: &Files) -> Result<()> {
    let wanted: Vec<PathBuf> = files.keys().map(|name| folder.join(name)).collect();
    for place in [folder.to_owned(), folder.join("assets")] {
        for entry in fs::read_dir(place)? {
            let path = entry?.path();
            if path.is_file() && !wanted.contains(&path) {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn sources(style: &str) -> TempDir {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("style.css"), style).unwrap();
        fs::write(path("boot.js"), "{{module}} {{wasm}} {{markdown_module}} {{markdown_wasm}}").unwrap();
        fs::write(path("reader.js"), "{{module}} {{wasm}} {{pdf_module}} {{pdf_wasm}}").unwrap();
        fs::write(path("index.html"), "{{style}} {{module}} {{boot}} {{reader}}").unwrap();
        for name in NAMES {
            fs::write(path(&format!("{name}_bg.wasm")), format!("wasm of {name}")).unwrap();
            fs::write(path(&format!("{name}.js")), format!("module of {name}")).unwrap();
        }
        folder
    }

    #[test]
    fn the_index_names_files_that_are_there() {
        let folder = sources("a");
        let files = lay_out(folder.path(), folder.path()).unwrap();
        let index = String::from_utf8(files["index.html"].clone()).unwrap();
        let named: Vec<&str> = index.split(' ').collect();
        assert_eq!(named.len(), 4);
        for name in named {
            assert!(files.contains_key(name.trim_start_matches('/')), "{name}");
        }
        for script in ["assets/boot.", "assets/reader."] {
            let script = files.iter().find(|(name, _)| name.starts_with(script)).unwrap().1;
            let script = std::str::from_utf8(script).unwrap();
            assert!(script.split(' ').all(|name| files.contains_key(name.trim_start_matches('/'))), "{script}");
        }
    }

    #[test]
    fn a_new_style_replaces_the_old_and_touches_nothing_else() {
        let dist = TempDir::new().unwrap();
        let build = |style| {
            let folder = sources(style);
            write(dist.path(), &lay_out(folder.path(), folder.path()).unwrap()).unwrap();
            let assets = fs::read_dir(dist.path().join("assets")).unwrap();
            let mut assets: Vec<_> = assets.map(|entry| entry.unwrap().path()).collect();
            assets.sort();
            assets
        };
        let old = build("a");
        let kept = |path: &PathBuf| !path.to_string_lossy().contains("style.");
        let times = |paths: &[PathBuf]| -> Vec<_> {
            paths.iter().filter(|path| kept(path)).map(|path| path.metadata().unwrap().modified().unwrap()).collect()
        };
        let before = times(&old);
        let new = build("b");
        assert_ne!(old, new);
        assert_eq!(old.len(), new.len());
        assert_eq!(before, times(&new));
    }
}
