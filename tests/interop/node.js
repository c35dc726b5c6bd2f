// The js-libp2p peer in Node.js: connects to the port of loopback that it is given, where a test writes lines
// `{"name", "given"}` and reads a line `{"value"}` or `{"error"}` for each.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

// js-libp2p is written for Node.js 22, which has both.
globalThis.WebSocket ??= WebSocket;
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

async function main() {
  const { peer } = await import('./peer.js');
  const interop = peer({ transports: () => [], listen: [] });
  const test = connect(Number(process.argv[2]), '127.0.0.1');
  for await (const line of createInterface({ input: test })) {
    const { name, given } = JSON.parse(line);
    const answer = await Promise.resolve()
      .then(() => interop[name](given))
      .then((value) => ({ value: value ?? null }), (error) => ({ error: String(error?.stack ?? error) }));
    test.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit();
}

main();
