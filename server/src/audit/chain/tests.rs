use tempfile::TempDir;

use super::*;

fn entry(key: &str) -> Entry {
    let who = Who { key: Some(key.to_owned()), request_id: Some("req_1".to_owned()) };
    Entry::now(Event::Refused { status: 401, requests: 1 }, Some(who))
}

/// A log of so many lines, in one file.
fn log(lines: usize) -> (TempDir, Chain, PathBuf) {
    let folder = TempDir::new().unwrap();
    let mut chain = Chain::open(folder.path()).unwrap();
    for number in 0..lines {
        chain.append(&[entry(["anna", "bruno"][number % 2])]).unwrap();
    }
    let file = files(folder.path()).unwrap().pop().unwrap();
    (folder, chain, file)
}

fn problems(folder: &TempDir) -> Vec<(u64, String)> {
    let problems = verify(folder.path(), None).unwrap().problems;
    problems.into_iter().map(|(_, place, what)| (place, what)).collect()
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn write_lines(file: &Path, lines: &[String]) {
    fs::write(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn what_was_written_is_in_order() {
    let (folder, _, _) = log(5);
    let found = verify(folder.path(), None).unwrap();
    assert_eq!((found.lines, found.first, &found.problems), (5, 1, &Vec::new()));
    assert_eq!(found.last.unwrap().0, 5);
}

#[test]
fn two_that_write_at_once_write_one_chain() {
    let (folder, _, _) = log(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut chain = Chain::open(folder.path()).unwrap();
                (0..25).for_each(|_| chain.append(&[entry("anna"), entry("bruno")]).unwrap());
            });
        }
    });
    let found = verify(folder.path(), None).unwrap();
    assert_eq!((found.lines, found.problems), (201, Vec::new()));
}

#[test]
fn a_byte_that_is_changed_is_found_where_it_is() {
    let (folder, _, file) = log(4);
    let text = fs::read(&file).unwrap();
    for at in 0..text.len() - 1 {
        let mut changed = text.clone();
        changed[at] ^= 1;
        fs::write(&file, &changed).unwrap();
        let place = text[..at].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let found = problems(&folder);
        // A line's end that is changed joins it to the next.
        assert!(!found.is_empty() && found[0].0.abs_diff(place) <= 1, "{at}: {found:?}");
        if text[at] != b'\n' {
            assert_eq!(found.len(), 1, "{at}: {found:?}");
        }
    }
}

#[test]
fn a_line_that_is_missing_or_moved_is_named() {
    let (folder, _, file) = log(5);
    let all = lines(&file);
    let mut without = all.clone();
    without.remove(2);
    write_lines(&file, &without);
    assert_eq!(problems(&folder), [(3, "lines before it are missing: 3 to 3".to_owned())]);
    write_lines(&file, &all[1..]);
    assert_eq!(problems(&folder), [(1, "lines before it are missing: up to 1".to_owned())]);
    let mut moved = all.clone();
    moved.swap(1, 2);
    write_lines(&file, &moved);
    assert!(!problems(&folder).is_empty());
    let mut twice = all.clone();
    twice.insert(2, all[1].clone());
    write_lines(&file, &twice);
    assert_eq!(problems(&folder), [(3, "it is not where it was".to_owned())]);
}

#[test]
fn who_writes_anew_from_a_line_on_is_found_by_what_was_noted() {
    let (folder, mut chain, file) = log(3);
    let (number, hash) = verify(folder.path(), None).unwrap().last.unwrap();
    chain.append(&[entry("anna")]).unwrap();
    assert_eq!(verify(folder.path(), Some((number, &hash))).unwrap().problems, []);
    let all = lines(&file);
    write_lines(&file, &all[..2]);
    let noted = |number| verify(folder.path(), Some((number, hash.as_str()))).unwrap().problems;
    assert!(noted(3)[0].2.contains("is not there"));
    Chain::open(folder.path()).unwrap().append(&[entry("carla")]).unwrap();
    assert_eq!(problems(&folder), []);
    assert!(noted(3)[0].2.contains("is not the one that was noted"));
}

#[test]
fn wherever_it_is_cut_off_it_goes_on() {
    let (_whole, _, file) = log(3);
    let text = fs::read(&file).unwrap();
    for length in 0..text.len() {
        let folder = TempDir::new().unwrap();
        let cut = folder.path().join(file.file_name().unwrap());
        fs::write(&cut, &text[..length]).unwrap();
        let is_torn = length > 0 && text[length - 1] != b'\n';
        let found = verify(folder.path(), None).unwrap();
        assert_eq!((found.problems, found.is_torn), (vec![], is_torn), "{length}");
        Chain::open(folder.path()).unwrap().append(&[entry("anna")]).unwrap();
        let whole = text[..length].iter().filter(|&&byte| byte == b'\n').count() as u64;
        let found = verify(folder.path(), None).unwrap();
        assert_eq!((found.problems, found.is_torn), (vec![], false), "{length}");
        assert_eq!(found.lines, whole + 1 + u64::from(is_torn), "{length}");
    }
}

#[test]
fn an_end_that_is_no_line_is_not_written_after() {
    let (folder, _, file) = log(2);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + "not a line\n").unwrap();
    let refused = Chain::open(folder.path()).unwrap().append(&[entry("anna")]).unwrap_err();
    assert!(refused.to_string().contains("zyron audit verify"), "{refused}");
    assert_eq!(lines(&file).len(), 3);
}

#[test]
fn who_asked_can_be_erased_and_only_that() {
    let (folder, mut chain, file) = log(6);
    assert_eq!(chain.erase("anna").unwrap(), 3);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("anna") && text.matches("bruno").count() == 3);
    let found = verify(folder.path(), None).unwrap();
    assert_eq!((found.lines, found.erased, found.problems), (7, 3, vec![]));
    assert_eq!(chain.erase("anna").unwrap(), 0);
    chain.append(&[entry("bruno")]).unwrap();
    // By hand, it does not go unseen.
    let mut all = lines(&file);
    let mut line: Map<String, Value> = serde_json::from_str(&all[7]).unwrap();
    line.shift_remove("who").unwrap();
    all[7] = serde_json::to_string(&line).unwrap();
    write_lines(&file, &all);
    assert_eq!(problems(&folder), [(8, "whom it is about was taken out, and no line says so".to_owned())]);
}

#[test]
fn who_asked_can_be_erased_while_others_write() {
    let (folder, mut chain, _) = log(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = Chain::open(folder.path()).unwrap();
            (0..100).for_each(|_| other.append(&[entry("anna"), entry("bruno")]).unwrap());
        });
        (0..20).for_each(|_| {
            chain.erase("anna").unwrap();
        });
    });
    chain.erase("anna").unwrap();
    let found = verify(folder.path(), None).unwrap();
    assert_eq!((found.erased, found.problems), (101, vec![]));
}

#[test]
fn what_is_beyond_its_time_is_deleted_and_what_else_is_missing_is_found() {
    let (folder, mut chain, today) = log(2);
    let old = folder.path().join("000000000001-2020-01-01.jsonl");
    fs::rename(&today, &old).unwrap();
    chain.append(&[entry("anna")]).unwrap();
    // A file's lines are older than the next file's beginning.
    let day = Utc::now().date_naive();
    let recent = folder.path().join(format!("000000000003-{day}.jsonl"));
    chain.retire(1).unwrap();
    assert!(old.exists(), "its last line may be of the day on which the next began");
    let middle = folder.path().join("000000000003-2020-01-02.jsonl");
    fs::rename(&recent, &middle).unwrap();
    chain.append(&[entry("anna")]).unwrap();
    chain.retire(184).unwrap();
    assert!(!old.exists() && middle.exists());
    let found = verify(folder.path(), None).unwrap();
    assert_eq!((found.first, found.lines, found.problems), (3, 3, vec![]));
    fs::remove_file(middle).unwrap();
    assert_eq!(problems(&folder), [(1, "lines before it are missing: up to 3".to_owned())]);
}
