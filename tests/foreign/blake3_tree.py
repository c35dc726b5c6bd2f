"""The tree of BLAKE3 over a blob, written from the paper (section 2) and the Bao specification, without any code of this
project: what the package blake3 computes and gives nobody, the chaining values inside. Slow, and meant for small blobs.
"""

CHUNK, GROUP = 1024, 16 * 1024
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIXES = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip


def compress(chaining, block, counter, flags):
    """The chaining value that follows from a block of at most 64 bytes."""
    padded = block.ljust(64, b"\0")
    words = [int.from_bytes(padded[at : at + 4], "little") for at in range(0, 64, 4)]
    state = [*chaining, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, len(block), flags]
    for _ in range(7):
        for at, (a, b, c, d) in enumerate(MIXES):
            for word, one, other in ((words[2 * at], 16, 12), (words[2 * at + 1], 8, 7)):
                state[a] = state[a] + state[b] + word & 0xFFFFFFFF
                state[d] = rotated(state[d] ^ state[a], one)
                state[c] = state[c] + state[d] & 0xFFFFFFFF
                state[b] = rotated(state[b] ^ state[c], other)
        words = [words[at] for at in PERMUTATION]
    return [low ^ high for low, high in zip(state[:8], state[8:])]


def rotated(word, bits):
    return (word >> bits | word << 32 - bits) & 0xFFFFFFFF


def as_bytes(chaining):
    return b"".join(word.to_bytes(4, "little") for word in chaining)


def chunk_value(chunk, counter, flags):
    """The chaining value of a chunk; `flags` are ROOT or none."""
    blocks = [chunk[at : at + 64] for at in range(0, len(chunk), 64)]
    chaining = IV
    for at, block in enumerate(blocks):
        start = CHUNK_START if at == 0 else 0
        end = CHUNK_END | flags if at == len(blocks) - 1 else 0
        chaining = compress(chaining, block, counter, start | end)
    return chaining


def split(length, unit):
    """Bytes in the left half: the largest power of two of whole units that leaves something to the right."""
    units = (length - 1) // unit
    return unit << units.bit_length() - 1


def subtree(content, at, flags, parents):
    """The chaining value of the content that begins at byte `at`. Its parents above groups go into `parents`, by the first
    group of their right half."""
    if len(content) <= CHUNK:
        return as_bytes(chunk_value(content, at // CHUNK, flags))
    left = split(len(content), CHUNK)
    pair = subtree(content[:left], at, 0, parents) + subtree(content[left:], at + left, 0, parents)
    if len(content) > GROUP:
        parents[(at + left) // GROUP] = pair
    return as_bytes(compress(IV, pair, 0, PARENT | flags))


def slice_of(content, first, count, parents, at=0, length=None):
    """The slice of `count` groups from `first` on: parents and groups in pre-order."""
    length = len(content) if length is None else length
    if at >= (first + count) * GROUP or at + length <= first * GROUP:
        return b""
    if length <= GROUP:
        return content[at : at + length]
    left = split(length, GROUP)
    halves = ((at, left), (at + left, length - left))
    parts = [slice_of(content, first, count, parents, start, size) for start, size in halves]
    return parents[(at + left) // GROUP] + b"".join(parts)
