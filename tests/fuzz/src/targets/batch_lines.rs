//! A file of requests for a batch: each that is found in it is where it is said to be.

use std::sync::LazyLock;

use serde_json::Value;
use zyron_server::batches::{Bounds, check_lines};

use super::Folder;

const BOUNDS: Bounds = Bounds { requests: 100, bytes_per_request: 4096 };

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

/// The file.
pub fn run(data: &[u8]) {
    let path = FOLDER.write("requests.jsonl", data);
    let checked = check_lines(&path, "/v1/chat/completions", BOUNDS).expect("the file can be read");
    match checked {
        Err(errors) => assert!(!errors.is_empty(), "a file is refused without a reason"),
        Ok(lines) => {
            assert!((1..=BOUNDS.requests).contains(&lines.len()), "a file has no requests, or too many");
            for line in lines {
                let start = usize::try_from(line.start).expect("it is in memory");
                let request: Value = serde_json::from_slice(&data[start..start + line.length]).expect("a line is JSON");
                assert_eq!(request["custom_id"], line.custom_id.as_str(), "a request is elsewhere");
            }
        }
    }
}
