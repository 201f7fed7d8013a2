//! How fast the memory is read, measured.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const WINDOWS: usize = 10;
const WINDOW: Duration = Duration::from_millis(100);
/// 64-bit words that are read between two looks at the clock: 1 MB, which takes a thousandth of a window.
const CHUNK: usize = 1 << 17;
/// Less could stay in the last-level cache.
const LEAST: u64 = 256 << 20;

/// Reads `bytes` of memory with `threads` threads, over and over for a second. Returns GB/s (10^9 bytes) in the best
/// tenth of it, as others may use the memory at the same time; nothing where so much memory cannot be had.
pub(super) fn measure(threads: usize, bytes: u64) -> Option<f64> {
    let words = usize::try_from(bytes / 8).ok()? / threads.max(1);
    if bytes < LEAST {
        return None;
    }
    let (read, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (ready, readers) = mpsc::channel();
        for _ in 0..threads {
            let ready = ready.clone();
            let work = || read_until(words, ready, &is_over, &read);
            // Where the system refuses a thread, the others measure.
            drop(thread::Builder::new().spawn_scoped(scope, work));
        }
        drop(ready);
        let best = (readers.iter().count() > 0).then(|| best_window(&read));
        is_over.store(true, Ordering::Relaxed);
        best
    })
}

/// Reads memory of its own until `is_over`, and adds the words read to `read`.
fn read_until(words: usize, ready: mpsc::Sender<()>, is_over: &AtomicBool, read: &AtomicU64) {
    let mut buffer: Vec<u64> = Vec::new();
    if buffer.try_reserve_exact(words).is_err() {
        return;
    }
    // Written, as the system has one page of zeros for all that never was; and by the thread that reads it, so that it
    // is near its core.
    buffer.resize(words, 1);
    if ready.send(()).is_err() {
        return;
    }
    // The others wait until nobody can be ready any more.
    drop(ready);
    for chunk in buffer.chunks(CHUNK).cycle() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        black_box(sum(chunk));
        read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
}

fn best_window(read: &AtomicU64) -> f64 {
    let rate = |_| {
        let (start, before) = (Instant::now(), read.load(Ordering::Relaxed));
        thread::sleep(WINDOW);
        let words = read.load(Ordering::Relaxed) - before;
        words as f64 * 8.0 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..WINDOWS).map(rate).fold(0.0, f64::max)
}

/// With so many sums that none waits for another: the compiler makes vectors of them.
fn sum(words: &[u64]) -> u64 {
    let mut sums = [0u64; 32];
    let blocks = words.chunks_exact(sums.len());
    let rest = blocks.remainder().iter().fold(0, |sum: u64, &word| sum.wrapping_add(word));
    for block in blocks {
        for (sum, &word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(word);
        }
    }
    sums.into_iter().fold(rest, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        let words: Vec<u64> = (0..1000).collect();
        assert_eq!(sum(&words), 999 * 500);
        assert_eq!(sum(&[u64::MAX, 2]), 1);
    }

    #[test]
    fn what_the_cache_could_hold_is_not_measured() {
        assert_eq!(measure(1, LEAST - 1), None);
        assert_eq!(measure(0, LEAST), None);
        assert!(measure(2, LEAST).unwrap() > 0.01);
    }
}
