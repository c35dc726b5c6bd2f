// Events and frames of docs/protocol.md, made from that page alone: DAG-CBOR by @ipld/dag-cbor, hashes and signatures by
// @noble, compression by the platform.
import { decode, encode } from '@ipld/dag-cbor';
import { ed25519 } from '@noble/curves/ed25519.js';
import { blake3 } from '@noble/hashes/blake3.js';

const text = new TextEncoder();

/** A hash of one purpose. */
const derive = (context, input) => blake3(input, { context: text.encode(`chanterelle 2026 ${context}`) });

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export const unhex = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** The id of an open board. */
export const boardId = (name) => derive('board', text.encode(name));

/** Text that does not compress well: `length` characters of 64. */
export function noise(length) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  // Browsers give out 64 KiB at a time.
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => letters[byte & 63]).join('');
}

/** An opening post by a key that is used once. */
export function openingPost(board, subject, comment) {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const unsigned = encode({
    v: 1,
    kind: 1,
    author: ed25519.getPublicKey(secret),
    board: boardId(board),
    time: Math.floor(Date.now() / 1000),
    refs: [],
    blobs: [],
    body: { comment, subject, board_name: board, salt: crypto.getRandomValues(new Uint8Array(16)) },
  });
  return readEvent(encode([unsigned, ed25519.sign(derive('event', unsigned), secret)]));
}

/** What somebody else signed: its id, its fields, and the bytes. Throws when the signature is not the author's. */
export function readEvent(bytes) {
  const [unsigned, signature] = decode(bytes);
  const [id, fields] = [derive('event', unsigned), decode(unsigned)];
  if (!ed25519.verify(signature, id, fields.author)) throw new Error(`the signature of ${hex(id)} is not valid`);
  return { id: hex(id), board: hex(fields.board), fields, bytes };
}

/** A frame as it goes onto a stream, never compressed. */
export function writeFrame(name, fields) {
  const body = encode({ [name]: fields });
  const prefix = [];
  let length = body.length + 1;
  for (; length >= 0x80; length >>>= 7) prefix.push((length & 0x7f) | 0x80);
  return Uint8Array.from([...prefix, length, 0, ...body]);
}

/** Reads the frames of a stream of bytes: pairs of name and fields. */
export async function* readFrames(chunks) {
  let held = new Uint8Array(0);
  for await (const chunk of chunks) {
    held = joined(held, chunk);
    for (;;) {
      const at = held.findIndex((byte) => byte < 0x80) + 1;
      const length = held.subarray(0, at).reduce((sum, byte, index) => sum | ((byte & 0x7f) << (7 * index)), 0);
      if (at === 0 || held.length < at + length) break;
      const frame = held.subarray(at, at + length);
      held = held.subarray(at + length);
      const body = frame[0] === 1 ? await inflated(frame.subarray(1)) : frame.subarray(1);
      yield Object.entries(decode(body))[0];
    }
  }
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
