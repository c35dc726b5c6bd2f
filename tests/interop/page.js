// The js-libp2p peer in a page: a test calls `interop.NAME(given)`.
import { webRTC } from '@libp2p/webrtc';
import { peer } from './peer.js';

globalThis.interop = peer({
  transports: [webRTC({ rtcConfiguration: { iceServers: [] } })],
  listen: ['/webrtc'],
});
