//! `zyron keys`: makes, lists and ends the keys of a state folder, whether a server runs with it or not.

use anyhow::Context;
use chrono::{DateTime, Days, NaiveDate};
use zyron_server::audit::{self, KeyChange};
use zyron_server::keys::{KeyRecord, Store};

use crate::cli::{KeysArgs, KeysCommand};

/// Does what was asked for.
pub(crate) fn run(args: KeysArgs) -> anyhow::Result<()> {
    let state = &args.state.folder;
    let mut store = Store::open(state)?;
    match args.command {
        KeysCommand::Create(args) => {
            let expires = args.expires.map(end_of).transpose()?;
            let key = store.create(&args.owner, &args.scopes, &args.limits, expires)?;
            say_key(&key.text);
            audit::enter_key(state, &key.id, KeyChange::Created)?;
        }
        KeysCommand::List { json } => {
            let keys = store.list()?;
            if json {
                println!("{}", serde_json::to_string_pretty(&keys)?);
            } else {
                print_table(&keys);
            }
        }
        KeysCommand::Revoke { id } => {
            store.revoke(&id)?;
            audit::enter_key(state, &id, KeyChange::Revoked)?;
            eprintln!("The key {id} is not accepted any more; a running server knows within a second.");
        }
        KeysCommand::Rotate { id } => {
            let text = store.rotate(&id)?;
            say_key(&text);
            audit::enter_key(state, &id, KeyChange::Rotated)?;
        }
        KeysCommand::Usage { days } => {
            println!("{:10}  {:12}  {:>9}  {:>13}  {:>11}", "day", "key", "requests", "prompt tokens", "completion");
            for used in store.usage(days, None)? {
                let (day, requests, prompt, completion) =
                    (used.date(), used.requests, used.prompt_tokens, used.completion_tokens);
                println!("{day}  {:12}  {requests:>9}  {prompt:>13}  {completion:>11}", used.key);
            }
        }
    }
    Ok(())
}

/// The end of a day in UTC, in seconds since 1970.
fn end_of(day: NaiveDate) -> anyhow::Result<u64> {
    let end = day.checked_add_days(Days::new(1)).and_then(|next| next.and_hms_opt(0, 0, 0));
    let end = end.context("--expires is no day that can be reached")?.and_utc().timestamp();
    u64::try_from(end).context("--expires is before 1970")
}

fn say_key(text: &str) {
    // The key alone on the standard output, for scripts.
    eprintln!("Keep it now: it is shown this once, and only a hash of it is kept.");
    println!("{text}");
}

fn print_table(keys: &[KeyRecord]) {
    println!("{:12}  {:20}  {:10}  {:10}  {:8}  scopes", "id", "owner", "created", "expires", "state");
    for key in keys {
        let day = |seconds: u64| {
            let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
            time.map_or_else(|| "-".to_owned(), |time| time.date_naive().to_string())
        };
        let state = match key {
            key if key.revoked.is_some() => "revoked",
            key if !key.is_valid() => "expired",
            _ => "valid",
        };
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
        let expires = key.expires.map_or_else(|| "-".to_owned(), |expires| day(expires - 1));
        let (owner, scopes) = (&key.owner, scopes.join(","));
        println!("{:12}  {owner:20}  {:10}  {expires:10}  {state:8}  {scopes}", key.id, day(key.created));
    }
}
