//! Which tokens' keys and values are where: one slot a sequence, prefixes found again, memory counted.
//!
//! llama.cpp has two layouts. In [`Layout::Streams`] each slot has room of its own for a whole context; attention then
//! reads a sequence's own cells only, which is faster as long as the slots that compute are neighbours, and a prefix is
//! shared by copying it. In [`Layout::Pool`] all slots draw from one pool, a prefix is shared in place, and memory can run
//! out. This module decides and counts; what it decides is done to llama.cpp by a [`Memory`].

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;

/// Tokens that are counted, and in a pool shared, together.
const BLOCK: usize = 16;

/// How llama.cpp lays out its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A stream of `tokens` cells for each slot. Copying a prefix moves a whole stream's memory.
    Streams {
        /// Cells of a slot.
        tokens: usize,
    },
    /// One pool of `tokens` cells for all slots.
    Pool {
        /// Cells.
        tokens: usize,
    },
}

/// llama.cpp's side of it.
pub(crate) trait Memory {
    /// Gives the empty slot `to` the first `tokens` of slot `from`.
    fn copy(&mut self, from: usize, to: usize, tokens: usize);
    /// Drops all but the first `tokens` of a slot.
    fn truncate(&mut self, slot: usize, tokens: usize);
}

/// Where a sequence starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) slot: usize,
    /// Tokens of its prompt that are there already.
    pub(crate) reused: usize,
}

/// Who holds the beginning of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) slot: usize,
    /// Tokens of it that are worth sharing.
    pub(crate) tokens: usize,
}

/// The slots.
pub(crate) struct KvCache {
    layout: Layout,
    /// Whether nothing is shared: the model has a sliding window, and llama.cpp may have given away in a pool what lies
    /// outside it.
    forgets: bool,
    slots: Vec<Slot>,
    /// Blocks that hold something.
    used: Rc<Cell<usize>>,
    clock: u64,
    /// Tokens of a prompt that are computed in the time that a copy from stream to stream takes.
    copy_cost: usize,
}

/// The shortest prefix that is worth a copy from stream to stream, however fast.
const SHORTEST: usize = 16;
/// A copy that costs as much as this many tokens pays off within an answer if it saves one in each step.
const CHEAP: usize = 32;

#[derive(Default)]
struct Slot {
    /// What its cells hold, in order.
    tokens: Vec<u32>,
    /// The memory of these tokens, in a pool; some may be another slot's, too.
    blocks: Vec<Rc<Block>>,
    /// Whether a sequence is using it. An idle slot keeps its tokens, in case a prompt begins with them.
    busy: bool,
    last_used: u64,
}

/// Counts one block while any slot holds it.
struct Block(Rc<Cell<usize>>);

impl Block {
    fn new(used: &Rc<Cell<usize>>) -> Rc<Self> {
        used.set(used.get() + 1);
        Rc::new(Self(Rc::clone(used)))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// How many tokens two texts have in common at their beginning.
pub(crate) fn common_prefix(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

impl KvCache {
    pub(crate) fn new(layout: Layout, slots: usize, has_window: bool) -> Self {
        let slots = std::iter::repeat_with(Slot::default).take(slots).collect();
        let forgets = has_window && matches!(layout, Layout::Pool { .. });
        Self { layout, forgets, slots, used: Rc::default(), clock: 0, copy_cost: 0 }
    }

    /// Says how many tokens of a prompt are computed in the time that a copy from stream to stream takes.
    pub(crate) fn set_copy_cost(&mut self, tokens: usize) {
        self.copy_cost = tokens;
    }

    /// Tokens in a slot.
    pub(crate) fn len(&self, slot: usize) -> usize {
        self.slots[slot].tokens.len()
    }

    /// Blocks that `tokens` more tokens take, behind `held` of them.
    pub(crate) fn blocks_for(held: usize, tokens: usize) -> usize {
        (held + tokens).div_ceil(BLOCK) - held.div_ceil(BLOCK)
    }

    /// Blocks that hold nothing. Without end where each slot has its own.
    pub(crate) fn free_blocks(&self) -> usize {
        match self.layout {
            Layout::Streams { .. } => usize::MAX,
            Layout::Pool { tokens } => (tokens / BLOCK).saturating_sub(self.used.get()),
        }
    }

    /// Tokens that busy slots hold, and that idle ones keep. What slots share counts for each, but never for more than
    /// the memory it takes.
    pub(crate) fn held(&self) -> (usize, usize) {
        let count =
            |busy| -> usize { self.slots.iter().filter(|slot| slot.busy == busy).map(|slot| slot.tokens.len()).sum() };
        let most = match self.layout {
            Layout::Streams { .. } => usize::MAX,
            Layout::Pool { .. } => self.used.get() * BLOCK,
        };
        let used = count(true).min(most);
        (used, count(false).min(most - used))
    }

    /// Blocks that evicting all idle slots would free.
    pub(crate) fn idle_blocks(&self) -> usize {
        let busy = self.slots.iter().filter(|slot| slot.busy).flat_map(|slot| &slot.blocks);
        self.used.get() - busy.map(Rc::as_ptr).collect::<HashSet<_>>().len()
    }

    pub(crate) fn is_busy(&self, slot: usize) -> bool {
        self.slots[slot].busy
    }

    /// Who holds most of the beginning of `prompt`, if that is worth sharing. Never the last token: its logits are wanted.
    pub(crate) fn source(&self, prompt: &[u32]) -> Option<Source> {
        let (slot, common) = self.longest(prompt, |_| true)?;
        Some(Source { slot, tokens: self.shareable(common) }).filter(|source| source.tokens > 0)
    }

    /// A slot for a sequence that begins with `prompt`; none while all are busy.
    pub(crate) fn open(&mut self, prompt: &[u32], reuse: bool, memory: &mut impl Memory) -> Option<Opened> {
        let found = if reuse { self.source(prompt) } else { None };
        let idle = if reuse { self.longest(prompt, |slot| !slot.busy) } else { None };
        let copied = found.map_or(0, |source| source.tokens);
        // An idle slot most of whose tokens are wanted is taken as it is: a conversation that goes on.
        let taken = idle.filter(|&(slot, common)| common >= copied && common * 2 >= self.len(slot));
        let slot = match taken {
            Some((slot, common)) => {
                self.truncate(slot, common, memory);
                slot
            }
            None => {
                let source = found.map(|source| source.slot);
                let slot = self.unused(source)?;
                if Some(slot) == source {
                    // The last idle slot is the one to copy from.
                    self.truncate(slot, copied, memory);
                } else {
                    self.truncate(slot, 0, memory);
                    if let Some(source) = source {
                        self.copy(source, slot, copied, memory);
                    }
                }
                slot
            }
        };
        self.slots[slot].busy = true;
        Some(Opened { slot, reused: self.len(slot) })
    }

    /// The move that brings busy streams closer together, if one is worth it: from the last of them to a gap.
    pub(crate) fn closer(&self) -> Option<(usize, usize)> {
        let Layout::Streams { .. } = self.layout else { return None };
        let first = self.slots.iter().position(|slot| slot.busy)?;
        let last = self.slots.iter().rposition(|slot| slot.busy)?;
        let gap = (first..last).find(|&index| !self.slots[index].busy)?;
        (self.copy_cost <= CHEAP).then_some((last, gap))
    }

    /// Moves a sequence to an idle slot.
    pub(crate) fn relocate(&mut self, from: usize, to: usize, memory: &mut impl Memory) {
        self.truncate(to, 0, memory);
        self.copy(from, to, self.len(from), memory);
        self.slots[to].busy = true;
        self.discard(from, memory);
    }

    /// Makes room for `tokens` in a slot and notes them; false where the pool has none left.
    #[must_use]
    pub(crate) fn grow(&mut self, slot: usize, tokens: &[u32]) -> bool {
        if let Layout::Pool { .. } = self.layout {
            let needed = Self::blocks_for(self.len(slot), tokens.len());
            if needed > self.free_blocks() {
                return false;
            }
            let blocks = std::iter::repeat_with(|| Block::new(&self.used)).take(needed);
            self.slots[slot].blocks.extend(blocks);
        }
        self.slots[slot].tokens.extend_from_slice(tokens);
        true
    }

    /// The sequence has ended: the slot is idle, and keeps what it holds.
    pub(crate) fn close(&mut self, slot: usize) {
        self.clock += 1;
        self.slots[slot].busy = false;
        self.slots[slot].last_used = self.clock;
    }

    /// Empties a slot and makes it idle.
    pub(crate) fn discard(&mut self, slot: usize, memory: &mut impl Memory) {
        self.truncate(slot, 0, memory);
        self.slots[slot].busy = false;
    }

    /// Empties the idle slot that was not used for longest, `kept` last; false where none holds anything.
    pub(crate) fn evict(&mut self, kept: Option<usize>, memory: &mut impl Memory) -> bool {
        let idle = self.slots.iter().enumerate().filter(|(_, slot)| !slot.busy && !slot.tokens.is_empty());
        let Some((slot, _)) = idle.min_by_key(|&(index, slot)| (Some(index) == kept, slot.last_used)) else {
            return false;
        };
        self.truncate(slot, 0, memory);
        true
    }

    /// Drops all but the first `tokens`, or some less, so that what is written next is in a block of its own.
    fn truncate(&mut self, slot: usize, tokens: usize, memory: &mut impl Memory) {
        let is_shared = |block: &Rc<Block>| Rc::strong_count(block) > 1;
        let within_shared = self.slots[slot].blocks.get(tokens / BLOCK).is_some_and(is_shared);
        let tokens = if within_shared { tokens - tokens % BLOCK } else { tokens };
        if self.len(slot) > tokens {
            memory.truncate(slot, tokens);
            self.slots[slot].tokens.truncate(tokens);
            self.slots[slot].blocks.truncate(tokens.div_ceil(BLOCK));
        }
    }

    fn copy(&mut self, from: usize, to: usize, tokens: usize, memory: &mut impl Memory) {
        memory.copy(from, to, tokens);
        let prefix = self.slots[from].tokens[..tokens].to_vec();
        self.slots[to].tokens = prefix;
        if let Layout::Pool { .. } = self.layout {
            self.slots[to].blocks = self.slots[from].blocks[..tokens / BLOCK].to_vec();
        }
    }

    /// How much of a common prefix is copied.
    pub(crate) fn shareable(&self, common: usize) -> usize {
        match self.layout {
            Layout::Streams { .. } if common < self.copy_cost.max(SHORTEST) => 0,
            Layout::Streams { .. } => common,
            // Whole blocks, so that each is one slot's to write to.
            Layout::Pool { .. } => common - common % BLOCK,
        }
    }

    /// The slot among those that `may` be used that holds most of the beginning of `prompt`, and how much.
    fn longest(&self, prompt: &[u32], may: impl Fn(&Slot) -> bool) -> Option<(usize, usize)> {
        let wanted = prompt.split_last().filter(|_| !self.forgets).map_or(&[][..], |(_, before)| before);
        let slots = self.slots.iter().enumerate().filter(|(_, slot)| may(slot));
        let common = slots.map(|(index, slot)| (index, common_prefix(&slot.tokens, wanted)));
        common.filter(|&(_, common)| common > 0).max_by_key(|&(index, common)| (common, std::cmp::Reverse(index)))
    }

    /// An idle slot: one between or beside those that are busy where that matters, an empty one, or else the one that
    /// was not used for longest; `kept` last.
    fn unused(&self, kept: Option<usize>) -> Option<usize> {
        let busy = || self.slots.iter().enumerate().filter(|(_, slot)| slot.busy).map(|(index, _)| index);
        let span = (busy().min().unwrap_or(0), busy().max().unwrap_or(usize::MAX));
        let distance = |index: usize| match self.layout {
            Layout::Streams { .. } => span.0.saturating_sub(index).max(index.saturating_sub(span.1)),
            Layout::Pool { .. } => 0,
        };
        let idle = self.slots.iter().enumerate().filter(|(_, slot)| !slot.busy);
        let order = |&(index, slot): &(usize, &Slot)| {
            let holds = !slot.tokens.is_empty();
            (Some(index) == kept, distance(index), holds, if holds { slot.last_used } else { 0 }, index)
        };
        idle.min_by_key(order).map(|(index, _)| index)
    }
}

#[cfg(test)]
#[path = "kv_cache_tests.rs"]
mod tests;
