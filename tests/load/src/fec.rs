//! `bench fec`: what reading a FEC costs, beside no more than cutting its lines into fields.
//!
//! One process, one file that a generator made, each way in turn. The file is read as a stream, so the memory that the
//! import takes is its own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use csv::{ByteRecord, ReaderBuilder};
use zyron_finance::import::fec;
use zyron_finance::{analyse, sample};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Lines of the file
    #[arg(long, default_value_t = 1_000_000)]
    lines: u64,
    /// How often each way is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(sample::NAME);
    let sums = write(&path, args.lines)?;
    println!("{} lines, {:.0} MB", sums.lines, path.metadata()?.len() as f64 / 1e6);
    let (mut cut, mut read) = (Vec::new(), Vec::new());
    let before = resident();
    for _ in 0..args.rounds {
        cut.push(timed(|| fields(&path))?);
        read.push(timed(|| {
            let statement = fec::read(File::open(&path)?, sample::NAME)?;
            let revenue = analyse(&statement).years[0].value("chiffre_affaires");
            ensure!(
                revenue == Some(sums.revenue) && statement.anomalies.is_empty(),
                "the import is wrong: {revenue:?}"
            );
            Ok(())
        })?);
    }
    let (cut, read) = (median(cut), median(read));
    let rate = |time: Duration| sums.lines as f64 / time.as_secs_f64() / 1e6;
    println!("fields cut apart: {:.2} s, {:.1} million lines a second", cut.as_secs_f64(), rate(cut));
    println!("read and analysed: {:.2} s, {:.1} million lines a second", read.as_secs_f64(), rate(read));
    println!("ratio: {:.1}", read.as_secs_f64() / cut.as_secs_f64());
    if let Some((before, after)) = before.zip(resident()) {
        println!("memory at its highest: {:.0} MB more than before", after.saturating_sub(before) as f64 / 1e6);
    }
    Ok(())
}

fn write(path: &Path, lines: u64) -> anyhow::Result<sample::Sums> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut written = Ok(());
    let sums = sample::fec(lines, 1, &mut |line| {
        if written.is_ok() {
            written = writeln!(file, "{line}");
        }
    });
    written.and_then(|()| file.flush()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(sums)
}

/// Cuts the lines apart, and counts the fields so that nobody leaves that out.
fn fields(path: &Path) -> anyhow::Result<()> {
    let mut rows = ReaderBuilder::new().delimiter(b'\t').quoting(false).from_path(path)?;
    let (mut row, mut count) = (ByteRecord::new(), 0);
    while rows.read_byte_record(&mut row)? {
        count += row.len();
    }
    ensure!(count > 0, "the file is empty");
    Ok(())
}

fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The most memory that this process has had, in bytes, where the system says it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}
