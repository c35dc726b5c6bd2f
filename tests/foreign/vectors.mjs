// Recomputes the published vectors without any code of this project: encodings by @ipld/dag-cbor, reconciliation by the
// negentropy of nostr-tools, which knows the side that begins. Ids, signatures and blobs are dagcbor.py's work.
// In a directory where `npm install @ipld/dag-cbor nostr-tools` was done:
//   node --input-type=module - core/tests/vectors/protocol.json < tests/foreign/vectors.mjs
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { decode, encode } from '@ipld/dag-cbor';
import { nip77 } from 'nostr-tools';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const unhex = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** A value of the vector file as JavaScript holds it: {"bytes": "<hexadecimal>"} is a byte string. */
function item(value) {
  if (Array.isArray(value)) return value.map(item);
  if (typeof value !== 'object') return value;
  if (same(Object.keys(value), ['bytes']) && typeof value.bytes === 'string') return unhex(value.bytes);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, item(entry)]));
}

function event(vector) {
  const unsigned = encode(item(vector.fields));
  const pair = encode([unsigned, unhex(vector.signature)]);
  return [
    ['the unsigned bytes', hex(unsigned), vector.unsigned],
    ['the unsigned bytes, read and written', hex(encode(decode(unsigned))), vector.unsigned],
    ['the event', hex(pair), vector.event],
  ];
}

function frame(vector) {
  const stream = unhex(vector.stream);
  const at = stream.findIndex((byte) => byte < 0x80) + 1;
  const payload = stream.subarray(at + 1);
  const unpacked = stream[at] === 1 ? inflateRawSync(payload) : payload;
  return [
    ['the plain bytes', hex(encode(item(vector.frame))), vector.plain],
    ['the payload', hex(unpacked), vector.plain],
  ];
}

function media(vector) {
  const stream = unhex(vector.stream);
  const at = stream.findIndex((byte) => byte < 0x80) + 1;
  const length = stream.subarray(0, at).reduceRight((sum, byte) => sum * 128 + (byte & 0x7f), 0);
  return [
    ['the plain bytes', hex(encode(item(vector.frame))), vector.plain],
    ['the plain bytes, read and written', hex(encode(decode(unhex(vector.plain)))), vector.plain],
    ['the bytes on the stream', hex(stream.subarray(at)), vector.plain],
    ['the length', length, vector.plain.length / 2],
  ];
}

function connect(vector) {
  const unsigned = encode(item(vector.fields));
  return [
    ['the unsigned bytes', hex(unsigned), vector.unsigned],
    ['the unsigned bytes, read and written', hex(encode(decode(unsigned))), vector.unsigned],
  ];
}

function reconciliation(vector) {
  const storage = new nip77.NegentropyStorageVector();
  for (const { time, id } of vector.ours) storage.insert(time, id);
  storage.seal();
  const exchange = new nip77.Negentropy(storage, 65536);
  const [have, need] = [[], []];
  const messages = [exchange.initiate()];
  for (let at = 1; at < vector.messages.length; at += 2) {
    const next = exchange.reconcile(vector.messages[at], (id) => have.push(id), (id) => need.push(id));
    messages.push(vector.messages[at], ...(next === null ? [] : [next]));
  }
  return [
    ['the messages', messages.join(), vector.messages.join()],
    ['what only this side has', have.sort().join(), vector.have.join()],
    ['what only the other side has', need.sort().join(), vector.need.join()],
  ];
}

const vectors = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let [checked, failed] = [0, 0];
const checks = { events: event, frames: frame, media, connects: connect, reconciliations: reconciliation };
for (const [kind, check] of Object.entries(checks)) {
  for (const vector of vectors[kind]) {
    checked += 1;
    const faults = check(vector).filter(([, ours, theirs]) => ours !== theirs);
    failed += faults.length > 0 ? 1 : 0;
    for (const [what] of faults) console.log(`${kind} ${vector.name}: ${what} differ`);
  }
}
console.log(`${checked - failed} of ${checked} vectors reproduced`);
process.exitCode = failed > 0 || checked === 0 ? 1 : 0;
