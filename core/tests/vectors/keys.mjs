// Recomputes keys.json without any code of this project: BLAKE3 from npm's @noble/hashes, Ed25519 from Node's OpenSSL.
// In a directory where `npm install @noble/hashes` was done: node keys.mjs > keys.json
// It does not choose the inputs' meaning; src/crypto/hash.rs does, and a test compares the two.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { blake3 } from '@noble/hashes/blake3.js';

const text = (s) => new TextEncoder().encode(s);
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const unhex = (s) => Uint8Array.from(Buffer.from(s, 'hex'));
const deriveKey = (context, input, dkLen = 32) => blake3(input, { context: text(context), dkLen });
const length = (n) => { const out = Buffer.alloc(8); out.writeBigUInt64LE(BigInt(n)); return out; };
const derive = (context, ...parts) => deriveKey(context, Buffer.concat(parts.flatMap((part) => [length(part.length), part])));
const secretKey = (seed) =>
  createPrivateKey({ key: Buffer.concat([unhex('302e020100300506032b657004220420'), seed]), format: 'der', type: 'pkcs8' });
const publicKey = (seed) => createPublicKey(secretKey(seed)).export({ format: 'der', type: 'spki' }).subarray(-32);

const root = Uint8Array.from({ length: 32 }, (_, i) => i);
const salt = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const unsigned = text('unsigned bytes of an event');
const event = deriveKey('chanterelle 2026 event', unsigned);
const board = deriveKey('chanterelle 2026 board', text('mushrooms'));
const pseudonym = derive('chanterelle 2026 pseudonym secret', root);
const identity = derive('chanterelle 2026 identity key', root);
const seed = Uint8Array.from({ length: 32 }, (_, i) => 0xff - i);

console.log(JSON.stringify({
  unsigned: hex(unsigned),
  event_id: hex(event),
  board_name: 'mushrooms',
  board_id: hex(board),
  no_board: hex(deriveKey('chanterelle 2026 board', text(''))),
  root: hex(root),
  salt: hex(salt),
  storage_key: hex(derive('chanterelle 2026 storage key', root)),
  identity_author: hex(publicKey(identity)),
  identity_signature_of_event_id: hex(sign(null, event, secretKey(identity))),
  opening_author: hex(publicKey(derive('chanterelle 2026 opening key', pseudonym, board, salt))),
  reply_author_in_event_id: hex(publicKey(derive('chanterelle 2026 reply key', pseudonym, event))),
  generator_seed: hex(seed),
  generator_stream: hex(deriveKey('chanterelle 2026 generator', seed, 150)),
}, null, 2));
