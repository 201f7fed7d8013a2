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

/// What `cargo` compiles and what the browser loads it as.
const NAME: &str = "zyron_web";

/// Builds the page. What has not changed is not written, so that cargo need not embed it again.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    // A profile of its own, for size: what it is built with is used for nothing else.
    let mut cargo = workspace.cargo(["build", "--profile", "page", "--package", "zyron-web", "--target"]);
    run(cargo.arg(rust_target::WASM))?;
    let compiled = workspace.target().join(rust_target::WASM).join(format!("page/{NAME}.wasm"));
    let bound = compiled.with_file_name("bound");
    bind(&compiled, &bound).with_context(|| format!("could not make {NAME}.wasm loadable"))?;
    let files = lay_out(&workspace.path("web"), &bound)?;
    write(&workspace.path("web/dist"), &files)
}

fn bind(compiled: &Path, to: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(compiled).out_name(NAME).web(true)?.typescript(false);
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
    let wasm = add(NAME, "wasm", read(&bound.join(format!("{NAME}_bg.wasm")))?);
    let module = add(NAME, "js", read(&bound.join(format!("{NAME}.js")))?);
    let boot = fill(&sources.join("boot.js"), &[("module", &module), ("wasm", &wasm)])?;
    let boot = add("boot", "js", boot.into_bytes());
    let index = fill(&sources.join("index.html"), &[("style", &style), ("module", &module), ("boot", &boot)])?;
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
        let path = |name| folder.path().join(name);
        fs::write(path("style.css"), style).unwrap();
        fs::write(path("boot.js"), "{{module}} {{wasm}}").unwrap();
        fs::write(path("index.html"), "{{style}} {{module}} {{boot}}").unwrap();
        fs::write(path("zyron_web_bg.wasm"), "wasm").unwrap();
        fs::write(path("zyron_web.js"), "module").unwrap();
        folder
    }

    #[test]
    fn the_index_names_files_that_are_there() {
        let folder = sources("a");
        let files = lay_out(folder.path(), folder.path()).unwrap();
        let index = String::from_utf8(files["index.html"].clone()).unwrap();
        let named: Vec<&str> = index.split(' ').collect();
        assert_eq!(named.len(), 3);
        for name in named {
            assert!(files.contains_key(name.trim_start_matches('/')), "{name}");
        }
        let boot = files.iter().find(|(name, _)| name.starts_with("assets/boot.")).unwrap().1;
        let boot = std::str::from_utf8(boot).unwrap();
        assert!(boot.split(' ').all(|name| files.contains_key(name.trim_start_matches('/'))), "{boot}");
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
