use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// What llama.cpp would hold: of each slot the tokens, and the cells in which they are.
struct Cells {
    slots: Vec<Vec<(u32, usize)>>,
    next: usize,
}

impl Cells {
    fn tokens(&self, slot: usize) -> Vec<u32> {
        self.slots[slot].iter().map(|&(token, _)| token).collect()
    }

    fn write(&mut self, slot: usize, tokens: &[u32]) {
        for &token in tokens {
            self.slots[slot].push((token, self.next));
            self.next += 1;
        }
    }

    /// Cells in use, each counted once however many slots share it.
    fn used(&self) -> usize {
        self.slots.iter().flatten().map(|&(_, cell)| cell).collect::<HashSet<_>>().len()
    }
}

impl Memory for Cells {
    fn copy(&mut self, from: usize, to: usize, tokens: usize) {
        assert!(self.slots[to].is_empty(), "a slot that is copied to is empty");
        self.slots[to] = self.slots[from][..tokens].to_vec();
    }

    fn truncate(&mut self, slot: usize, tokens: usize) {
        self.slots[slot].truncate(tokens);
    }
}

const POOL: Layout = Layout::Pool { tokens: 256 };
const STREAMS: Layout = Layout::Streams { tokens: 64 };

fn new(layout: Layout, slots: usize) -> (KvCache, Cells) {
    (KvCache::new(layout, slots, false), Cells { slots: vec![Vec::new(); slots], next: 0 })
}

impl KvCache {
    /// Opens a slot and computes all of `prompt`.
    fn run(&mut self, prompt: &[u32], cells: &mut Cells) -> Option<Opened> {
        let opened = self.open(prompt, true, cells)?;
        assert!(self.grow(opened.slot, &prompt[opened.reused..]));
        cells.write(opened.slot, &prompt[opened.reused..]);
        Some(opened)
    }
}

fn numbers(count: u32) -> Vec<u32> {
    (0..count).collect()
}

#[test]
fn what_is_used_is_told_from_what_is_kept() {
    for layout in [POOL, STREAMS] {
        let (mut cache, mut cells) = new(layout, 2);
        let first = cache.run(&numbers(20), &mut cells).unwrap();
        assert_eq!(cache.held(), (20, 0));
        cache.close(first.slot);
        assert_eq!(cache.held(), (0, 20));
        // 16 tokens more are another block.
        cache.run(&numbers(36), &mut cells).unwrap();
        assert_eq!(cache.held(), (36, 0));
        let other: Vec<u32> = (100..110).collect();
        cache.run(&other, &mut cells).unwrap();
        assert_eq!(cache.held(), (46, 0));
    }
}

#[test]
fn a_conversation_that_goes_on_keeps_its_slot() {
    for layout in [POOL, STREAMS] {
        let (mut cache, mut cells) = new(layout, 2);
        let first = cache.run(&numbers(20), &mut cells).unwrap();
        cache.close(first.slot);
        let next = cache.run(&numbers(30), &mut cells).unwrap();
        assert_eq!(next, Opened { slot: first.slot, reused: 20 });
        cache.close(next.slot);
        // The same again: the last token is computed, for its logits.
        assert_eq!(cache.open(&numbers(30), true, &mut cells), Some(Opened { slot: 0, reused: 29 }));
    }
}

#[test]
fn a_prefix_is_shared_with_a_sequence_that_runs() {
    for (layout, reused) in [(POOL, 32), (STREAMS, 39)] {
        let (mut cache, mut cells) = new(layout, 2);
        cache.run(&numbers(40), &mut cells).unwrap();
        let used = cache.used.get();
        assert_eq!(cache.open(&numbers(40), true, &mut cells), Some(Opened { slot: 1, reused }));
        assert_eq!(cells.tokens(1), numbers(u32::try_from(reused).unwrap()));
        assert_eq!(cache.used.get(), used, "a shared prefix takes no memory");
        assert_eq!(cache.open(&numbers(3), true, &mut cells), None, "all are busy");
    }
}

#[test]
fn what_is_short_is_not_copied_from_stream_to_stream() {
    let (mut cache, mut cells) = new(STREAMS, 2);
    cache.run(&numbers(40), &mut cells).unwrap();
    let other: Vec<u32> = numbers(15).into_iter().chain([100, 101]).collect();
    assert_eq!(cache.open(&other, true, &mut cells), Some(Opened { slot: 1, reused: 0 }));
}

#[test]
fn scores_need_every_position() {
    let (mut cache, mut cells) = new(POOL, 1);
    let slot = cache.run(&numbers(40), &mut cells).unwrap().slot;
    cache.close(slot);
    assert_eq!(cache.open(&numbers(40), false, &mut cells), Some(Opened { slot, reused: 0 }));
}

#[test]
fn streams_that_run_are_neighbours() {
    let (mut cache, mut cells) = new(STREAMS, 6);
    let slots: Vec<usize> = (0..5).map(|n| cache.run(&[n, n], &mut cells).unwrap().slot).collect();
    assert_eq!(slots, [0, 1, 2, 3, 4]);
    // The one between others is taken before the ones beside them, though it holds something.
    for slot in [0, 2, 4] {
        cache.close(slot);
    }
    assert_eq!(cache.open(&[9], true, &mut cells).unwrap().slot, 2);
}

#[test]
fn a_pool_runs_out_and_the_oldest_makes_room() {
    let (mut cache, mut cells) = new(POOL, 4);
    for start in [0, 1000, 2000] {
        let prompt: Vec<u32> = (start..start + 80).collect();
        let slot = cache.run(&prompt, &mut cells).unwrap().slot;
        cache.close(slot);
    }
    assert_eq!(cache.free_blocks(), 1);
    let slot = cache.open(&[7], true, &mut cells).unwrap().slot;
    assert!(!cache.grow(slot, &numbers(20)));
    assert!(cache.evict(None, &mut cells));
    assert!(cache.grow(slot, &numbers(20)));
    let lengths: Vec<usize> = cells.slots.iter().map(Vec::len).collect();
    assert_eq!(lengths, [0, 80, 80, 0], "the first was not used for longest");
}

#[test]
fn what_is_about_to_be_shared_is_evicted_last() {
    let (mut cache, mut cells) = new(POOL, 3);
    for prompt in [0..96, 1000..1064] {
        let slot = cache.run(&prompt.collect::<Vec<u32>>(), &mut cells).unwrap().slot;
        cache.close(slot);
    }
    let busy = cache.run(&numbers(40), &mut cells).unwrap();
    assert_eq!(busy, Opened { slot: 2, reused: 32 }, "in place");
    assert_eq!(cache.idle_blocks(), 8, "two of the ten are the busy slot's, too");
    let source = cache.source(&(1000..1080).collect::<Vec<u32>>()).unwrap();
    assert_eq!(source, Source { slot: 1, tokens: 64 });
    assert!(cache.evict(Some(source.slot), &mut cells));
    assert_eq!(cells.slots[0].len(), 0);
    assert!(cache.evict(Some(source.slot), &mut cells));
    assert_eq!((cells.slots[1].len(), cache.idle_blocks()), (0, 0));
}

#[test]
fn what_a_window_may_have_forgotten_is_not_shared() {
    let mut cells = Cells { slots: vec![Vec::new(); 2], next: 0 };
    for (layout, reused) in [(POOL, 0), (STREAMS, 39)] {
        let mut cache = KvCache::new(layout, 2, true);
        cells.slots.iter_mut().for_each(Vec::clear);
        let first = cache.run(&numbers(40), &mut cells).unwrap();
        cache.close(first.slot);
        assert_eq!(cache.open(&numbers(40), true, &mut cells).unwrap().reused, reused);
    }
}

#[test]
fn blocks_are_counted_from_where_the_last_one_ends() {
    assert_eq!(KvCache::blocks_for(0, 1), 1);
    assert_eq!(KvCache::blocks_for(1, 15), 0);
    assert_eq!(KvCache::blocks_for(16, 17), 2);
}

#[test]
fn gaps_between_streams_are_closed_from_the_end() {
    let (mut cache, mut cells) = new(STREAMS, 6);
    for n in 0..4 {
        cache.run(&[n, n], &mut cells).unwrap();
    }
    assert_eq!(cache.closer(), None);
    cache.close(1);
    assert_eq!(cache.closer(), Some((3, 1)));
    cache.relocate(3, 1, &mut cells);
    assert_eq!((cells.tokens(1), cells.tokens(3)), (vec![3, 3], vec![]));
    assert_eq!(cache.closer(), None);
    cache.close(0);
    assert_eq!(cache.closer(), None, "nothing is between the others");
    cache.close(1);
    cache.open(&[9], true, &mut cells);
    cache.set_copy_cost(1000);
    assert_eq!(cache.closer(), None);
}

#[derive(Clone, Debug)]
enum Act {
    Open(Vec<u32>, bool),
    Grow(usize, usize),
    Close(usize),
    Discard(usize),
    Evict,
    Closer,
}

fn act() -> impl Strategy<Value = Act> {
    // Few tokens, and so many common prefixes.
    let prompt = prop::collection::vec(0u32..2, 1..40);
    prop_oneof![
        (prompt, any::<bool>()).prop_map(|(prompt, reuse)| Act::Open(prompt, reuse)),
        (0usize..8, 1usize..20).prop_map(|(which, tokens)| Act::Grow(which, tokens)),
        (0usize..8).prop_map(Act::Close),
        (0usize..8).prop_map(Act::Discard),
        Just(Act::Evict),
        Just(Act::Closer),
    ]
}

proptest! {
    /// Whatever happens, the books say what llama.cpp holds, and a pool holds no more than it can.
    #[test]
    fn the_books_are_right(pool in any::<bool>(), acts in prop::collection::vec(act(), 1..60)) {
        let (mut cache, mut cells) = new(if pool { POOL } else { STREAMS }, 5);
        // Sequences, each with its slot and its prompt.
        let mut open: Vec<(usize, Vec<u32>)> = Vec::new();
        for act in acts {
            let pick = |which: usize| (!open.is_empty()).then(|| which % open.len());
            match act {
                Act::Open(prompt, reuse) => match cache.open(&prompt, reuse, &mut cells) {
                    Some(opened) => {
                        prop_assert!(opened.reused < prompt.len());
                        prop_assert!(reuse || opened.reused == 0);
                        prop_assert_eq!(cells.tokens(opened.slot), &prompt[..opened.reused]);
                        prop_assert!(open.iter().all(|(slot, _)| *slot != opened.slot));
                        open.push((opened.slot, prompt));
                    }
                    None => prop_assert_eq!(open.len(), 5),
                },
                Act::Grow(which, tokens) => if let Some(at) = pick(which) {
                    let slot = open[at].0;
                    let tokens = vec![1; tokens];
                    if cache.len(slot) + tokens.len() <= 64 && cache.grow(slot, &tokens) {
                        cells.write(slot, &tokens);
                    }
                },
                Act::Close(which) => if let Some(at) = pick(which) { cache.close(open.remove(at).0) },
                Act::Discard(which) => if let Some(at) = pick(which) { cache.discard(open.remove(at).0, &mut cells) },
                Act::Evict => { cache.evict(None, &mut cells); }
                Act::Closer => if let Some((from, to)) = cache.closer() {
                    cache.relocate(from, to, &mut cells);
                    if let Some((slot, _)) = open.iter_mut().find(|(slot, _)| *slot == from) {
                        *slot = to;
                    }
                },
            }
            for slot in 0..5 {
                prop_assert_eq!(&cache.slots[slot].tokens, &cells.tokens(slot));
            }
            prop_assert!(!pool || cells.used() <= cache.used.get() * BLOCK);
            prop_assert!(!pool || cache.used.get() * BLOCK <= 256);
        }
    }
}
