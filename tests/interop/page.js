// The js-libp2p peer in a page: a test calls `interop.NAME(given)`.
import { webRTC } from '@libp2p/webrtc';
import { peer } from './peer.js';

// The relay tells this browser its address on loopback. The names that it makes up for its others lead nowhere here.
const stun = (relay) => `stun:127.0.0.1:${/\/tcp\/(\d+)/.exec(relay)[1]}`;

globalThis.interop = peer({
  transports: (relay) => [webRTC({ rtcConfiguration: { iceServers: [{ urls: stun(relay) }] } })],
  listen: ['/webrtc'],
});
