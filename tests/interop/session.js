// One session of docs/protocol.md, as far as a peer needs it that reads some boards: greeting, interest, events for
// credit, acknowledgements, and reconciliation from the side that begins, by the negentropy of nostr-tools.
import { nip77 } from 'nostr-tools';
import { boardId, hex, readEvent, readFrames, unhex, writeFrame } from './events.js';

/** Frames of events that may come before more are granted. */
const WINDOW = 32;

/** Bytes of events in one frame of ours; one of the largest has 163,840. */
const FRAME_BYTES = 60_000;

export class Session {
  #held;
  #boards;
  #stream;
  #credit = 0;
  #sent = 0;
  #received = 0;
  #outgoing = [];
  #calls = new Map();

  /** On a stream whose bytes come by `chunks`. `held` are the events there are, by id; they grow. */
  constructor(stream, chunks, held, boards) {
    [this.#stream, this.#held, this.#boards] = [stream, held, boards];
    /** What the other side said of itself. */
    this.hello = undefined;
    /** How many frames of each name have come. */
    this.frames = {};
    /** Bytes of the stream. */
    this.bytesIn = 0;
    this.bytesOut = 0;
    /** Ids that the other side has stored, or does not give out. */
    this.acked = new Set();
    this.withheld = new Set();
    this.#send('hello', { v: 1, role: 'tab', agent: 'interop', window: WINDOW });
    this.ended = this.#run(chunks).then(
      () => 'the other side closed it',
      (error) => {
        stream.abort(error);
        return String(error);
      },
    );
  }

  /** Offers events, as fast as the other side grants. */
  give(events) {
    let frame = [];
    let bytes = 0;
    for (const event of events) {
      if (bytes + event.bytes.length > FRAME_BYTES && frame.length > 0) {
        this.#outgoing.push(frame);
        [frame, bytes] = [[], 0];
      }
      frame.push(event.bytes);
      bytes += event.bytes.length;
    }
    this.#outgoing.push(frame);
    this.#pump();
  }

  /** Asks for events. */
  want(ids) {
    for (let at = 0; at < ids.length; at += 1_024) {
      this.#send('want', { ids: ids.slice(at, at + 1_024).map(unhex) });
    }
  }

  /** Finds out what the other side has of a board, and asks for it. */
  reconcile(board) {
    const storage = new nip77.NegentropyStorageVector();
    const scope = boardId(board);
    const ours = [...this.#held.values()].filter((event) => event.board === hex(scope));
    for (const { fields, id } of ours) storage.insert(fields.time, id);
    storage.seal();
    const [call, exchange] = [this.#calls.size, new nip77.Negentropy(storage, 65_536)];
    this.#calls.set(call, { exchange, scope: { board: scope } });
    this.#send('reconcile', { call, scope: { board: scope }, message: unhex(exchange.initiate()) });
  }

  #send(name, fields) {
    const bytes = writeFrame(name, fields);
    this.bytesOut += bytes.length;
    this.#stream.send(bytes);
  }

  #pump() {
    while (this.#sent < this.#credit && this.#outgoing.length > 0) {
      this.#sent += 1;
      this.#send('events', { n: this.#sent, events: this.#outgoing.shift() });
    }
  }

  async #run(chunks) {
    for await (const [name, fields] of readFrames(this.#counted(chunks))) {
      this.frames[name] = (this.frames[name] ?? 0) + 1;
      this.#on(name, fields);
    }
  }

  async *#counted(chunks) {
    for await (const chunk of chunks) {
      this.bytesIn += chunk.length;
      yield chunk;
    }
  }

  #on(name, fields) {
    switch (name) {
      case 'hello':
        this.hello = fields;
        this.#credit = fields.window;
        this.#send('interest', { all: false, boards: this.#boards.map(boardId) });
        return this.#pump();
      case 'credit':
        this.#credit = Math.max(this.#credit, fields.frames);
        return this.#pump();
      case 'events':
        return this.#onEvents(fields.events);
      case 'ack':
        return fields.ids.forEach((id) => this.acked.add(hex(id)));
      case 'withheld':
        return fields.ids.forEach((id) => this.withheld.add(hex(id)));
      case 'have':
        return this.want(fields.ids.map(hex).filter((id) => !this.#held.has(id)));
      case 'want':
        return this.#onWant(fields.ids.map(hex));
      case 'reconciled':
        return this.#onReconciled(fields);
      case 'bye':
        throw new Error(`bye: ${fields.reason}`);
    }
  }

  #onEvents(events) {
    this.#received += 1;
    const read = events.map(readEvent);
    for (const event of read) this.#held.set(event.id, event);
    this.#send('ack', { ids: read.map((event) => unhex(event.id)) });
    if (this.#received % (WINDOW / 2) === 0) this.#send('credit', { frames: this.#received + WINDOW });
  }

  #onWant(ids) {
    const missing = ids.filter((id) => !this.#held.has(id));
    if (missing.length > 0) this.#send('withheld', { ids: missing.map(unhex) });
    const there = ids.filter((id) => this.#held.has(id));
    if (there.length > 0) this.give(there.map((id) => this.#held.get(id)));
  }

  #onReconciled({ call, message }) {
    const { exchange, scope } = this.#calls.get(call);
    const need = [];
    const next = exchange.reconcile(hex(message), () => {}, (id) => need.push(id));
    if (need.length > 0) this.want(need);
    if (next !== null) this.#send('reconcile', { call, scope, message: unhex(next) });
  }
}
