//! BLAKE3's tree over a blob, in groups of 16 KiB: hashing, slices of it, and their verification.
//!
//! The tree is that of the BLAKE3 paper, section 2.1, so the root is the plain hash of the content. Only nodes above
//! groups are kept (chunk log 4), 64 bytes each: the chaining values of the left and right half. A slice is what the
//! [Bao specification](https://github.com/oconnor663/bao/blob/master/docs/spec.md) calls one, without the header that
//! says the size: parents and groups in pre-order, byte for byte what the crate `bao-tree` writes for
//! `BlockSize::from_chunk_log(4)`. Reads and writes no storage.

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::base::BlobId;

/// Bytes of a group; the last one of a blob may be shorter.
pub const GROUP_BYTES: u64 = 16 * 1024;

/// Bytes of a parent: two chaining values.
pub const PARENT_BYTES: u64 = 64;

/// The content of a parent: the chaining value of its left half, then of its right half.
pub type Parent = [u8; PARENT_BYTES as usize];

/// A parent of the tree, named by the first group of its right half, which no other parent shares.
///
/// So the parents of a blob of `n` groups are 1 to `n - 1`, in the order of what lies between them. The name does not
/// depend on the size, and somebody who holds a part of a blob writes each parent where it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(pub u32);

impl Node {
    /// Where the parent lies in an outboard, in bytes.
    #[must_use]
    pub fn offset(self) -> u64 {
        (u64::from(self.0) - 1) * PARENT_BYTES
    }
}

/// How many groups a blob of `size` bytes has.
///
/// # Panics
/// When there are 2^32 or more; [`crate::base::Limits::blob_bytes`] is far below.
#[must_use]
pub fn groups_in(size: u64) -> u32 {
    u32::try_from(size.div_ceil(GROUP_BYTES)).expect("sizes of blobs are bounded")
}

/// Bytes of the outboard of a blob of `size` bytes: all parents, each at [`Node::offset`].
#[must_use]
pub fn outboard_bytes(size: u64) -> u64 {
    u64::from(groups_in(size).saturating_sub(1)) * PARENT_BYTES
}

/// Bytes of content in `count` groups from `first` on of a blob of `size` bytes; what lies behind its end counts
/// nothing.
#[must_use]
pub fn content_bytes(size: u64, first: u32, count: u32) -> u64 {
    let start = (u64::from(first) * GROUP_BYTES).min(size);
    let end = ((u64::from(first) + u64::from(count)) * GROUP_BYTES).min(size);
    end - start
}

/// The content's name.
#[must_use]
pub fn blob_id(content: &[u8]) -> BlobId {
    BlobId(*blake3::hash(content).as_bytes())
}

/// What [`Outboard::finish`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// The content's name.
    pub id: BlobId,
    /// Bytes of content.
    pub size: u64,
    /// All parents, each at [`Node::offset`].
    pub outboard: Vec<u8>,
}

/// Hashes content as it comes, in pieces of any size. Beside the outboard it holds some chaining values, as many as
/// the tree is high.
#[derive(Debug)]
pub struct Outboard {
    group: Hasher,
    /// Bytes in `group`.
    filled: u64,
    /// The group being filled.
    index: u32,
    /// Subtrees to the left of it that are not merged yet: their first groups and chaining values.
    waiting: Vec<(u32, ChainingValue)>,
    outboard: Vec<u8>,
}

impl Default for Outboard {
    fn default() -> Self {
        Self::new()
    }
}

impl Outboard {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { group: Hasher::new(), filled: 0, index: 0, waiting: Vec::new(), outboard: Vec::new() }
    }

    /// Adds the next bytes of the content.
    ///
    /// # Panics
    /// When it would have 2^32 groups or more.
    pub fn update(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.filled == GROUP_BYTES {
                self.next_group();
            }
            let room = usize::try_from(GROUP_BYTES - self.filled).expect("a group is small");
            let (taken, rest) = piece.split_at(room.min(piece.len()));
            self.group.update(taken);
            self.filled += taken.len() as u64;
            piece = rest;
        }
    }

    /// The hash and all parents. Of no content at all the size is 0, which no blob has.
    #[must_use]
    pub fn finish(mut self) -> Hashed {
        let size = u64::from(self.index) * GROUP_BYTES + self.filled;
        if self.waiting.is_empty() {
            let id = BlobId(*self.group.finalize().as_bytes());
            return Hashed { id, size, outboard: self.outboard };
        }
        let mut right = (self.index, self.group.finalize_non_root());
        let mut root = None;
        while let Some(left) = self.waiting.pop() {
            self.keep(left.1, right);
            match self.waiting.is_empty() {
                true => root = Some(merge_subtrees_root(&left.1, &right.1, Mode::Hash)),
                false => right = (left.0, merge_subtrees_non_root(&left.1, &right.1, Mode::Hash)),
            }
        }
        let root = root.expect("something was waiting");
        Hashed { id: BlobId(*root.as_bytes()), size, outboard: self.outboard }
    }

    /// The group is full and more content is there, so it is not the root, and neither is what it completes.
    fn next_group(&mut self) {
        let mut right = (self.index, self.group.finalize_non_root());
        self.index = self.index.checked_add(1).expect("sizes of blobs are bounded");
        for _ in 0..self.index.trailing_zeros() {
            let left = self.waiting.pop().expect("a subtree of the same height lies to the left");
            self.keep(left.1, right);
            right = (left.0, merge_subtrees_non_root(&left.1, &right.1, Mode::Hash));
        }
        self.waiting.push(right);
        self.group = Hasher::new();
        self.group.set_input_offset(u64::from(self.index) * GROUP_BYTES);
        self.filled = 0;
    }

    fn keep(&mut self, left: ChainingValue, (node, right): (u32, ChainingValue)) {
        let at = usize::try_from(Node(node).offset()).expect("outboards fit in memory");
        let end = at + left.len() + right.len();
        self.outboard.resize(self.outboard.len().max(end), 0);
        self.outboard[at..at + left.len()].copy_from_slice(&left);
        self.outboard[at + left.len()..end].copy_from_slice(&right);
    }
}

/// Why bytes are not a slice of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// Groups that the blob does not have, or none.
    #[error("a blob of {size} bytes has no {count} groups from {first} on")]
    Range {
        /// Bytes of the blob.
        size: u64,
        /// The first group wanted.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Too few or too many bytes for these groups.
    #[error("the slice has {got} bytes and not {wanted}")]
    Length {
        /// What these groups take.
        wanted: u64,
        /// What was there.
        got: u64,
    },
    /// A parent that is not the one its own parent names.
    #[error("the parent before group {} does not verify", .0.0)]
    Parent(Node),
    /// Content that is not the blob's.
    #[error("group {0} does not verify")]
    Group(u32),
}

/// What of a slice was proven to be the blob's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The content of the groups.
    pub data: Vec<u8>,
    /// The parents, in pre-order.
    pub parents: Vec<(Node, Parent)>,
}

/// The parents in the slice of these groups, in pre-order: what to read for [`slice`].
///
/// # Errors
/// When the blob has no such groups.
pub fn parents_of(size: u64, first: u32, count: u32) -> Result<Vec<Node>, SliceError> {
    let mut parents = Vec::new();
    let range = Range::new(size, first, count)?;
    range.walk(&mut |step| {
        if let Step::Parent { node, .. } = step {
            parents.push(node);
        }
        Ok(())
    })?;
    Ok(parents)
}

/// Bytes of the slice of these groups.
///
/// # Errors
/// When the blob has no such groups.
pub fn slice_bytes(size: u64, first: u32, count: u32) -> Result<u64, SliceError> {
    let parents = parents_of(size, first, count)?.len() as u64;
    Ok(parents * PARENT_BYTES + content_bytes(size, first, count))
}

/// The slice of `count` groups from `first` on of a blob of `size` bytes: `data` is the content of exactly these
/// groups, `parent` gives each of [`parents_of`], in that order. Checks nothing against the hash.
///
/// # Errors
/// When the blob has no such groups, or `data` has another length.
pub fn slice(
    size: u64,
    first: u32,
    count: u32,
    mut parent: impl FnMut(Node) -> Parent,
    data: &[u8],
) -> Result<Vec<u8>, SliceError> {
    let range = Range::new(size, first, count)?;
    let wanted = content_bytes(size, first, count);
    if data.len() as u64 != wanted {
        return Err(SliceError::Length { wanted, got: data.len() as u64 });
    }
    let mut bytes = Vec::with_capacity(data.len() + 32 * PARENT_BYTES as usize);
    let mut rest = data;
    range.walk(&mut |step| {
        match step {
            Step::Parent { node, .. } => bytes.extend_from_slice(&parent(node)),
            Step::Group { length, .. } => {
                let (taken, left) = rest.split_at(length);
                bytes.extend_from_slice(taken);
                rest = left;
            }
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// Checks the slice of `count` groups from `first` on of the blob `id` of `size` bytes: every parent against the one
/// above it, every group against its parent.
///
/// A size that is not the blob's never verifies at its last group, but may at others.
///
/// # Errors
/// When a single bit is not the blob's, a byte is missing or one too many: then nothing of it is returned.
pub fn verify(id: &BlobId, size: u64, first: u32, count: u32, slice: &[u8]) -> Result<Verified, SliceError> {
    let range = Range::new(size, first, count)?;
    let wanted = slice_bytes(size, first, count)?;
    if slice.len() as u64 != wanted {
        return Err(SliceError::Length { wanted, got: slice.len() as u64 });
    }
    let length = usize::try_from(content_bytes(size, first, count)).expect("no longer than the slice");
    let mut verified = Verified { data: Vec::with_capacity(length), parents: Vec::new() };
    let mut rest = slice;
    // What the next steps have to hash to, the nearest last.
    let mut expected = vec![id.0];
    range.walk(&mut |step| {
        let value = expected.pop().expect("a parent came before");
        match step {
            Step::Parent { node, is_root, left, right } => {
                let (parent, behind) = rest.split_first_chunk::<64>().expect("the length was checked");
                let (l, r) = halves(parent);
                let is = match is_root {
                    true => *merge_subtrees_root(&l, &r, Mode::Hash).as_bytes(),
                    false => merge_subtrees_non_root(&l, &r, Mode::Hash),
                };
                if is != value {
                    return Err(SliceError::Parent(node));
                }
                expected.extend(right.then_some(r));
                expected.extend(left.then_some(l));
                verified.parents.push((node, *parent));
                rest = behind;
            }
            Step::Group { index, length, is_root } => {
                let (group, behind) = rest.split_at(length);
                if group_value(index, group, is_root) != value {
                    return Err(SliceError::Group(index));
                }
                verified.data.extend_from_slice(group);
                rest = behind;
            }
        }
        Ok(())
    })?;
    Ok(verified)
}

fn group_value(index: u32, group: &[u8], is_root: bool) -> ChainingValue {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(u64::from(index) * GROUP_BYTES).update(group);
    if is_root { *hasher.finalize().as_bytes() } else { hasher.finalize_non_root() }
}

fn halves(parent: &Parent) -> (ChainingValue, ChainingValue) {
    let (mut left, mut right) = ([0; 32], [0; 32]);
    left.copy_from_slice(&parent[..32]);
    right.copy_from_slice(&parent[32..]);
    (left, right)
}

/// Groups of a blob, at least one, all within it.
struct Range {
    size: u64,
    groups: u32,
    first: u32,
    end: u32,
}

/// One part of a slice.
enum Step {
    /// A parent; `left` and `right` say which of its halves the slice goes into.
    Parent { node: Node, is_root: bool, left: bool, right: bool },
    /// A group of `length` bytes.
    Group { index: u32, length: usize, is_root: bool },
}

type Visit<'a> = dyn FnMut(Step) -> Result<(), SliceError> + 'a;

impl Range {
    fn new(size: u64, first: u32, count: u32) -> Result<Self, SliceError> {
        let groups = u32::try_from(size.div_ceil(GROUP_BYTES)).ok();
        match (groups, first.checked_add(count)) {
            (Some(groups), Some(end)) if count > 0 && end <= groups => Ok(Self { size, groups, first, end }),
            _ => Err(SliceError::Range { size, first, count }),
        }
    }

    fn walk(&self, visit: &mut Visit<'_>) -> Result<(), SliceError> {
        self.descend(0, self.groups, visit)
    }

    /// In pre-order through the subtree of the groups `from..to`, as far as the range lies in it. The left half of a
    /// subtree is the largest complete one that leaves something to the right.
    fn descend(&self, from: u32, to: u32, visit: &mut Visit<'_>) -> Result<(), SliceError> {
        let is_root = to - from == self.groups;
        if to - from == 1 {
            let length = usize::try_from(content_bytes(self.size, from, 1)).expect("a group is small");
            return visit(Step::Group { index: from, length, is_root });
        }
        let middle = from + (to - from).div_ceil(2).next_power_of_two();
        let (left, right) = (self.first < middle, self.end > middle);
        visit(Step::Parent { node: Node(middle), is_root, left, right })?;
        if left {
            self.descend(from, middle, visit)?;
        }
        if right {
            self.descend(middle, to, visit)?;
        }
        Ok(())
    }
}
