//! `zyron privacy`: what is kept about a person, for that person, and its erasure. It is what the state folder has:
//! keys, their usage, the audit log, files and batches and, where the operator has texts kept, these.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use zyron_server::keys::{KeyRecord, Store};
use zyron_server::{audit, batches, content};

use crate::cli::{PrivacyArgs, PrivacyCommand, Subject};

/// For a running server to see that a key is revoked, and to write what was used with it last.
const UNTIL_ENDED: Duration = Duration::from_secs(2);
/// More days than there are.
const EVER: u64 = 100 * 366;

/// Does what was asked for.
pub(crate) fn run(args: PrivacyArgs) -> anyhow::Result<()> {
    let state = &args.state.folder;
    ensure!(state.is_dir(), "there is no state folder {}", state.display());
    let mut store = Store::open(state)?;
    let log = audit::folder(state);
    match args.command {
        PrivacyCommand::Export(subject) => {
            let keys = find(&store, &subject)?;
            let (mut usage, mut lines) = (Vec::new(), Vec::new());
            let (mut texts, mut requests) = (Vec::new(), Vec::new());
            for key in &keys {
                usage.extend(store.usage(EVER, Some(&key.id))?);
                audit::about(&log, &key.id, |line| lines.extend(serde_json::from_str::<Value>(line)))?;
                content::about(state, &key.id, |line| texts.extend(serde_json::from_str::<Value>(line)))?;
                batches::about(state, &key.id, |value| requests.push(value))?;
            }
            let all = json!({"keys": keys, "usage": usage, "audit": lines, "content": texts, "batches": requests});
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
        PrivacyCommand::Erase(subject) => {
            let keys = find(&store, &subject)?;
            for key in &keys {
                store.revoke(&key.id)?;
            }
            std::thread::sleep(UNTIL_ENDED);
            let (mut lines, mut texts, mut files) = (0, 0, 0);
            // The key last: whoever is interrupted can begin again.
            for key in &keys {
                texts += content::erase(state, &key.id)?;
                files += batches::erase(state, &key.id)?;
                lines += audit::erase(&log, &key.id)?;
                store.erase(&key.id)?;
            }
            println!("{} keys are forgotten, and that they asked in {lines} lines of the audit log.", keys.len());
            if texts > 0 {
                println!("{texts} requests that were kept in full are deleted.");
            }
            if files > 0 {
                println!("{files} files and batches are deleted.");
            }
        }
    }
    Ok(())
}

fn find(store: &Store, Subject { owner, key }: &Subject) -> anyhow::Result<Vec<KeyRecord>> {
    let is_theirs = |record: &KeyRecord| {
        owner.as_ref().is_some_and(|owner| record.owner == *owner) || key.as_ref().is_some_and(|key| record.id == *key)
    };
    let keys: Vec<KeyRecord> = store.list()?.into_iter().filter(is_theirs).collect();
    ensure!(!keys.is_empty(), "there is no such key");
    Ok(keys)
}
