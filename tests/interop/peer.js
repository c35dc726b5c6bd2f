// A js-libp2p peer that a test tells what to do, in a page and in Node.js alike. What is asked for is answered by plain
// values; what takes long is begun, and looked at through `state`.
import { yamux } from '@chainsafe/libp2p-yamux';
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { peerIdFromString } from '@libp2p/peer-id';
import { ping } from '@libp2p/ping';
import { webSockets } from '@libp2p/websockets';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { noise as text, openingPost } from './events.js';
import { Session } from './session.js';

const SESSION = '/chanterelle/1';

/** What comes is sent back, at once. */
const ECHO = '/interop/echo/1';

/** Whoever answers says what was asked, once it has all come. */
const WHOLE = '/interop/whole/1';

/** Whoever answers gives up at the first byte. */
const BROKEN = '/interop/broken/1';

/** What a peer is made of beside what all have: `{ transports, listen }`, the transports by the address of its relay. */
export function peer(also) {
  let node;
  let boards;
  const held = new Map();
  /** By peer id: `{ session, openedHere, since, connection }`. */
  const sessions = new Map();
  /** Sessions that have ended, and why. */
  const ended = [];
  /** How many streams for sessions were opened, and by whom. */
  const opened = { here: 0, there: 0 };
  /** Bytes that came on echo streams, for as long as they came. */
  let echoed = 0;

  const key = (id) => id.publicKey.raw;
  const isLower = (one, other) => {
    const at = one.findIndex((byte, index) => byte !== other[index]);
    return at >= 0 && one[at] < other[at];
  };

  /** Of two streams opened to each other at once the one opened by the lower key stays, else the later one. */
  function onStream(stream, connection, openedHere, chunks) {
    opened[openedHere ? 'here' : 'there'] += 1;
    const remote = connection.remotePeer.toString();
    const before = sessions.get(remote);
    if (before !== undefined) {
      const here = isLower(key(node.peerId), key(connection.remotePeer));
      const isGlare = before.openedHere !== openedHere && Date.now() - before.since < 10_000;
      if (isGlare && openedHere !== here) return stream.abort(new Error('the other of two sessions stays'));
      before.stream.abort(new Error('another session takes its place'));
    }
    const session = new Session(stream, chunks, held, boards);
    const entry = { session, stream, openedHere, since: Date.now(), connection };
    sessions.set(remote, entry);
    session.ended.then((why) => {
      ended.push(why);
      if (sessions.get(remote) === entry) sessions.delete(remote);
    });
  }

  async function open(connection) {
    const stream = await connection.newStream(SESSION);
    onStream(stream, connection, true, arriving(stream));
  }

  function only(id) {
    const entry = sessions.get(id);
    if (entry === undefined) throw new Error(`no session with ${id}; ended: ${ended.join('; ')}`);
    return entry;
  }

  function direct(id) {
    const connection = node.getConnections(peerIdFromString(id)).find((each) => each.limits === undefined);
    if (connection === undefined) throw new Error(`no direct connection with ${id}`);
    return connection;
  }

  async function start({ relay, wants = [], than, lower = true }) {
    boards = wants;
    Object.assign(opened, { here: 0, there: 0 });
    let privateKey;
    do privateKey = await generateKeyPair('Ed25519');
    while (than !== undefined && isLower(privateKey.publicKey.raw, key(peerIdFromString(than))) !== lower);
    node = await createLibp2p({
      privateKey,
      addresses: { listen: [`${relay}/p2p-circuit`, ...also.listen] },
      transports: [webSockets(), circuitRelayTransport(), ...also.transports(relay)],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      // A page dials no private addresses otherwise, and a relay of a test has no other.
      connectionGater: { denyDialMultiaddr: () => false },
      connectionManager: { addressDialTimeout: 30_000, dialTimeout: 60_000 },
      // It pings by itself every ten seconds otherwise, and one ping at a time is answered.
      connectionMonitor: { enabled: false },
      // It asks one thing at a time otherwise, and takes a moment to let go of the last.
      services: { identify: identify({ maxOutboundStreams: 16 }), ping: ping({ maxOutboundStreams: 4 }) },
    });
    await node.handle(SESSION, (stream, connection) => onStream(stream, connection, false, arriving(stream)));
    await node.handle(ECHO, echo, { runOnLimitedConnection: true });
    await node.handle(WHOLE, async (stream) => {
      stream.send(Uint8Array.from(await read(stream)));
      await stream.close();
    });
    await node.handle(BROKEN, async (stream) => {
      await read(stream, 1);
      stream.abort(new Error('given up'));
    });
    return node.peerId.toString();
  }

  async function echo(stream) {
    for await (const chunk of arriving(stream)) {
      echoed += chunk.length;
      if (!stream.send(chunk)) await stream.onDrain();
    }
    await stream.close();
  }

  const what = {
    start,

    stop: () => node.stop(),

    /** Where this peer can be asked for. */
    addresses: () => node.getMultiaddrs().map(String),

    /** Connects to an address; `session` says whether to open one, as whoever dials does. */
    async dial({ address, session = true }) {
      const connection = await node.dial(multiaddr(address));
      if (session) await open(connection);
      return connection.remotePeer.toString();
    },

    /** Milliseconds from dialling an address until a stream has brought an answer; none if it takes longer than `limit`. */
    async connect({ address, limit }) {
      const late = new Promise((resolve) => {
        setTimeout(resolve, limit, null);
      });
      return Promise.race([late, what.connects(address)]);
    },

    async connects(address) {
      const begun = performance.now();
      const connection = await node.dial(multiaddr(address));
      const stream = await connection.newStream(WHOLE);
      const answer = read(stream);
      stream.send(Uint8Array.of(7));
      await stream.close();
      if ((await answer).length !== 1) throw new Error('another answer came than was asked for');
      return performance.now() - begun;
    },

    /** Opens another session beside the one there is. */
    async again({ peer }) {
      await open(only(peer).connection);
    },

    state: () => ({
      connections: node.getConnections().map((connection) => ({
        peer: connection.remotePeer.toString(),
        address: connection.remoteAddr.toString(),
        direction: connection.direction,
        limited: connection.limits !== undefined,
        streams: connection.streams.length,
      })),
      sessions: Object.fromEntries([...sessions].map(([id, { session, openedHere }]) => [id, {
        openedHere,
        greeted: session.hello !== undefined,
        role: session.hello?.role,
        frames: session.frames,
        bytesIn: session.bytesIn,
        bytesOut: session.bytesOut,
        acked: session.acked.size,
        withheld: session.withheld.size,
      }])),
      ended,
      opened,
      held: held.size,
      echoed,
    }),

    /** The comments of all posts there are. */
    comments: () => [...held.values()].map((event) => event.fields.body.comment),

    /** Begins a thread, and gives it to a peer. */
    post({ peer, board, subject, comment }) {
      const event = openingPost(board, subject, comment);
      held.set(event.id, event);
      only(peer).session.give([event]);
      return event.id;
    },

    /** Gives a peer so many threads of the longest comments; their ids. */
    give({ peer, board, count }) {
      const events = Array.from({ length: count }, (_, at) => openingPost(board, `Bulk ${at}`, text(10_000)));
      for (const event of events) held.set(event.id, event);
      only(peer).session.give(events);
      return events.map((event) => event.id);
    },

    /** Loses posts. */
    forget: ({ ids }) => ids.forEach((id) => held.delete(id)),

    want: ({ peer, ids }) => only(peer).session.want(ids),

    reconcile: ({ peer, board }) => only(peer).session.reconcile(board),

    has: ({ ids }) => ids.filter((id) => held.has(id)).length,

    acked: ({ peer, ids }) => ids.filter((id) => only(peer).session.acked.has(id)).length,

    /** What a peer says of itself. */
    async identify({ peer }) {
      const { agentVersion, protocols, protocolVersion } = await node.services.identify.identify(only(peer).connection);
      return { agentVersion, protocols, protocolVersion };
    },

    /** Milliseconds to a peer and back. */
    ping: ({ peer }) => node.services.ping.ping(only(peer).connection.remotePeer),

    /**
     * Asks a peer so many times at once who it is, beside a stream of pings. Each time this side has nothing to say and
     * finishes. Gives the bytes of each answer, and how many streams there were at once.
     */
    async atOnce({ peer, count }) {
      const { connection } = only(peer);
      const pinging = await connection.newStream('/ipfs/ping/1.0.0');
      const opening = Array.from({ length: count }, () => connection.newStream('/ipfs/id/1.0.0'));
      // They are opened by then, and nothing has come over the network meanwhile, as nothing but promises was waited for.
      for (let turn = 0; turn < 32; turn += 1) await undefined;
      const streams = connection.streams.length;
      const asking = await Promise.all(opening);
      const answers = asking.map((stream) => read(stream));
      await Promise.all(asking.map((stream) => stream.close()));
      // Whoever answers pings does so for as long as they come, and drops the stream at the end of them.
      const pong = read(pinging, 32);
      pinging.send(new Uint8Array(32).fill(7));
      const sizes = (await Promise.all([pong, ...answers])).map((bytes) => bytes.length);
      await pinging.close();
      return { streams, pong: sizes[0], answers: sizes.slice(1) };
    },

    /** Sends so many bytes to a peer and reads them back: what came, and the fault if there was one. */
    async echo({ address, size }) {
      const connection = await node.dial(multiaddr(address));
      const stream = await connection.newStream(ECHO, { runOnLimitedConnection: true });
      const back = arriving(stream);
      let received = 0;
      const reading = (async () => {
        for await (const chunk of back) received += chunk.length;
      })();
      try {
        for (let sent = 0; sent < size; sent += 8_192) {
          if (!stream.send(new Uint8Array(8_192))) await stream.onDrain();
        }
        await stream.close();
        await reading;
        return { received };
      } catch (error) {
        await reading.catch(() => {});
        return { received, fault: String(error) };
      }
    },

    /**
     * Says so many bytes on each of so many streams at once, all open before the first is finished, and reads the
     * answers to their ends; how many bytes they have, all together.
     */
    async ask({ peer, size, count }) {
      const open = Array.from({ length: count }, () => direct(peer).newStream(WHOLE));
      const answers = (await Promise.all(open)).map(async (stream) => {
        const answer = read(stream);
        stream.send(new Uint8Array(size).fill(7));
        await stream.close();
        return (await answer).length;
      });
      return (await Promise.all(answers)).reduce((sum, length) => sum + length, 0);
    },

    /** Asks somebody who gives up: what is noticed of it. */
    async broken({ peer }) {
      const stream = await direct(peer).newStream(BROKEN);
      const answer = read(stream);
      stream.send(Uint8Array.of(7));
      return answer.then((bytes) => `${bytes.length} bytes`, (error) => error.name);
    },
  };
  return what;
}

/** The bytes of a stream to the end of what the other side has to say; a fault when it breaks off before. */
function arriving(stream) {
  const chunks = [];
  let [done, fault, wake] = [false, undefined, () => {}];
  const end = (error) => {
    [done, fault] = [true, fault ?? error];
    wake();
  };
  stream.addEventListener('message', ({ data }) => {
    chunks.push(data.subarray());
    wake();
  });
  stream.addEventListener('remoteCloseWrite', () => end());
  stream.addEventListener('close', ({ error }) => end(error));
  if (stream.remoteWriteStatus === 'closed') end();
  return (async function* () {
    for (;;) {
      while (chunks.length > 0) yield chunks.shift();
      if (done && stream.readBufferLength === 0) break;
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
    if (fault !== undefined) throw fault;
  })();
}

/** All bytes of a stream, or so many of them. */
async function read(stream, enough = Infinity) {
  const bytes = [];
  for await (const chunk of arriving(stream)) {
    for (const byte of chunk) bytes.push(byte);
    if (bytes.length >= enough) break;
  }
  return bytes;
}
