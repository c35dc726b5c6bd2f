//! Our connections against bare ones of the same browser: bytes a second of one stream, and the time until a stream can be
//! used. A wasm test that prints `bench-row`s for `cargo xtask bench webrtc`.
//!
//! Both ends are in one page, and so is the relay of ours, to which both are connected already. A bare connection is two
//! `RTCPeerConnection`s whose descriptions and candidates are handed over by function calls. Both send messages of one
//! size and keep the browser's buffer between the same bounds. They take turns, every other time the other way round, and
//! the ratio is the median of those of the turns: one turn is as much as a fifth faster than the next.

fn main() {}

#[cfg(target_arch = "wasm32")]
mod browser {
    use chanterelle_webrtc::{Config, Permit, Transport};
    use futures::future::{Either, join, select};
    use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
    use js_sys::{Array, Function, Promise, Reflect};
    use libp2p::core::muxing::StreamMuxerBox;
    use libp2p::core::transport::{Boxed, MemoryTransport, OrTransport};
    use libp2p::core::upgrade::Version;
    use libp2p::identity::Keypair;
    use libp2p::multiaddr::Protocol;
    use libp2p::swarm::{Config as SwarmConfig, NetworkBehaviour, SwarmEvent};
    use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, Transport as _, noise, relay, yamux};
    use wasm_bindgen::JsValue;
    use wasm_bindgen_futures::{JsFuture, spawn_local};
    use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    const CONFIG: Config = Config { ice_servers: Array::new, may_dial: |_| true };

    const BULK: StreamProtocol = StreamProtocol::new("/bulk/1");

    /// Sent in one turn, bytes.
    const BYTES: usize = 24 * 1024 * 1024;

    /// The first turn warms up and does not count.
    const TURNS: usize = 14;

    /// Connections of each kind, none of which may hang.
    const CONNECTIONS: usize = 40;

    /// A pair of bare connections with one data channel: how long until the channel is open, milliseconds, and a function
    /// that sends so many bytes over it and gives the milliseconds until all have arrived.
    const BARE: &str = "
        const begun = performance.now();
        const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
        a.onicecandidate = ({candidate}) => candidate && b.addIceCandidate(candidate);
        b.onicecandidate = ({candidate}) => candidate && a.addIceCandidate(candidate);
        const channel = a.createDataChannel('');
        channel.binaryType = 'arraybuffer';
        const arrived = new Promise(resolve => { b.ondatachannel = ({channel}) => resolve(channel); });
        const open = new Promise(resolve => { channel.onopen = resolve; });
        await a.setLocalDescription();
        await b.setRemoteDescription(a.localDescription);
        await b.setLocalDescription();
        await a.setRemoteDescription(b.localDescription);
        await open;
        const there = await arrived;
        there.binaryType = 'arraybuffer';
        const took = performance.now() - begun;
        const message = new Uint8Array(16 * 1024);
        const send = async (bytes) => {
            const begun = performance.now();
            let received = 0;
            const all = new Promise(resolve => {
                there.onmessage = ({data}) => {
                    received += data.byteLength;
                    if (received >= bytes) resolve();
                };
            });
            channel.bufferedAmountLowThreshold = 256 * 1024;
            for (let sent = 0; sent < bytes; sent += message.length) {
                if (channel.bufferedAmount > 1024 * 1024) {
                    await new Promise(resolve => { channel.onbufferedamountlow = resolve; });
                }
                channel.send(message);
            }
            await all;
            return performance.now() - begun;
        };
        return {took, send, close: () => { a.close(); b.close(); }};";

    #[derive(NetworkBehaviour)]
    struct Behaviour {
        relay: relay::client::Behaviour,
        streams: libp2p_stream::Behaviour,
    }

    fn upgraded<T>(transport: T, key: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)>
    where
        T: libp2p::Transport<Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static,
        T::Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
        T::Error: Send + Sync + 'static,
    {
        let noise = noise::Config::new(key).expect("a key can sign");
        transport.upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux::Config::default()).boxed()
    }

    /// The address of a relay in this page, with its id.
    async fn relay() -> Multiaddr {
        let key = Keypair::generate_ed25519();
        let id = key.public().to_peer_id();
        let limits = relay::Config {
            reservation_rate_limiters: Vec::new(),
            circuit_src_rate_limiters: Vec::new(),
            ..relay::Config::default()
        };
        let behaviour = relay::Behaviour::new(id, limits);
        let config = SwarmConfig::with_executor(spawn_local);
        let mut swarm = Swarm::new(upgraded(MemoryTransport::default(), &key), behaviour, id, config);
        swarm.listen_on(Protocol::Memory(0).into()).expect("memory can be listened to");
        let address = listening(&mut swarm).await;
        swarm.add_external_address(address.clone());
        spawn_local(swarm.for_each(async |_| {}));
        address.with(Protocol::P2p(id))
    }

    async fn listening<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                return address;
            }
        }
    }

    /// A tab that has a reservation at a relay; where it is dialled.
    async fn tab(relay: &Multiaddr) -> (Swarm<Behaviour>, Multiaddr) {
        let key = Keypair::generate_ed25519();
        let id = key.public().to_peer_id();
        let (circuits, behaviour) = relay::client::new(id);
        let direct = Transport::new(upgraded(circuits, &key), CONFIG, Permit::given())
            .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
        let transport = OrTransport::new(direct, upgraded(MemoryTransport::default(), &key))
            .map(|either, _| either.into_inner())
            .boxed();
        let behaviour = Behaviour { relay: behaviour, streams: libp2p_stream::Behaviour::new() };
        let config = SwarmConfig::with_executor(spawn_local);
        let mut swarm = Swarm::new(transport, behaviour, id, config);
        let address = relay.clone().with(Protocol::P2pCircuit).with(Protocol::WebRTC);
        swarm.listen_on(address).expect("it is such an address");
        let address = listening(&mut swarm).await;
        (swarm, address)
    }

    fn peer_in(address: &Multiaddr) -> PeerId {
        match address.iter().last() {
            Some(Protocol::P2p(peer)) => peer,
            other => panic!("no peer at the end: {other:?}"),
        }
    }

    /// Two tabs of ours: how long from the dial until a stream was opened and answered, milliseconds, and for each of the
    /// turns how long all bytes took.
    async fn ours(relay: &Multiaddr, turns: usize) -> (f64, Vec<f64>) {
        let ((mut here, _), (there, address)) = join(tab(relay), tab(relay)).await;
        let mut incoming = there.behaviour().streams.new_control().accept(BULK).expect("accepted once");
        spawn_local(there.for_each(async |_| {}));
        spawn_local(async move {
            // Each stream is answered with one byte, then with one more when all has come.
            while let Some((_, mut stream)) = incoming.next().await {
                stream.write_all(&[1]).await.expect("the other side reads");
                stream.flush().await.expect("it is open");
                let mut buffer = vec![0; 64 * 1024];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
                // Where only the connection was of interest nobody hears it.
                let _ = stream.write_all(&[2]).await;
                let _ = stream.close().await;
            }
        });
        let mut control = here.behaviour().streams.new_control();
        let peer = peer_in(&address);
        let begun = now();
        here.dial(address).expect("it is such an address");
        let work = async move {
            let mut answer = [0];
            let mut opened = async || {
                // Until there is a connection.
                loop {
                    match control.open_stream(peer, BULK).await {
                        Ok(stream) => return stream,
                        Err(_) => continue,
                    }
                }
            };
            let mut stream = opened().await;
            stream.read_exact(&mut answer).await.expect("it is answered");
            let connected = now() - begun;
            let bytes = vec![0x5a; 1024 * 1024];
            let mut times = Vec::new();
            for turn in 0..turns {
                if turn > 0 {
                    stream = opened().await;
                    stream.read_exact(&mut answer).await.expect("it is answered");
                }
                let begun = now();
                for _ in 0..BYTES / bytes.len() {
                    stream.write_all(&bytes).await.expect("the other side reads");
                }
                stream.close().await.expect("it is open");
                stream.read_exact(&mut answer).await.expect("all has come");
                times.push(now() - begun);
            }
            (connected, times)
        };
        match select(Box::pin(work), Box::pin(here.for_each(async |_| {}))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => unreachable!("a swarm goes on"),
        }
    }

    /// A bare pair.
    async fn bare() -> JsValue {
        let make = format!("return (async () => {{ {BARE} }})()");
        let made = Function::new_no_args(&make).call0(&JsValue::UNDEFINED).expect("the script begins");
        JsFuture::from(Promise::from(made)).await.expect("it comes about")
    }

    fn field(of: &JsValue, key: &str) -> JsValue {
        Reflect::get(of, &key.into()).expect("an object")
    }

    async fn bare_bulk(pair: &JsValue) -> f64 {
        let sent = Function::from(field(pair, "send")).call1(&JsValue::UNDEFINED, &(BYTES as f64).into());
        let took = JsFuture::from(Promise::from(sent.expect("a function"))).await.expect("all arrives");
        took.as_f64().expect("milliseconds")
    }

    fn close(pair: &JsValue) {
        Function::from(field(pair, "close")).call0(&JsValue::UNDEFINED).expect("a function");
    }

    #[wasm_bindgen_test]
    async fn one_stream_against_a_bare_channel() {
        let relay = relay().await;
        let (mut ours_took, mut bare_took) = (Vec::new(), Vec::new());
        let bare_turn = async || {
            let pair = bare().await;
            let took = bare_bulk(&pair).await;
            close(&pair);
            took
        };
        let our_turn = async || ours(&relay, 1).await.1[0];
        for turn in 0..TURNS {
            let (ours, bare) = if turn % 2 == 0 {
                let ours = our_turn().await;
                (ours, bare_turn().await)
            } else {
                let bare = bare_turn().await;
                (our_turn().await, bare)
            };
            if turn > 0 {
                ours_took.push(ours);
                bare_took.push(bare);
            }
        }
        let ratios = ours_took.iter().zip(&bare_took).map(|(ours, bare)| bare / ours).collect();
        let rate = |milliseconds: f64| BYTES as f64 / 1e6 / (milliseconds / 1e3);
        let (ours, bare) = (rate(median(ours_took)), rate(median(bare_took)));
        row("webrtc.throughput_one_page", ours, "MB/s", bare, median(ratios));
    }

    #[wasm_bindgen_test]
    async fn connections_in_a_row_against_bare_ones() {
        let relay = relay().await;
        let (mut ours_took, mut bare_took) = (Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS {
            ours_took.push(ours(&relay, 0).await.0);
            let pair = bare().await;
            bare_took.push(field(&pair, "took").as_f64().expect("milliseconds"));
            close(&pair);
        }
        let (ours, bare) = (median(ours_took), median(bare_took));
        // How many times as long ours take.
        row("webrtc.connect", ours, "ms", bare, ours / bare);
    }

    fn row(name: &str, value: f64, unit: &str, baseline: f64, ratio: f64) {
        console_log!(
            "bench-row {{\"name\": \"{name}\", \"value\": {value:.3}, \"unit\": \"{unit}\", \"baseline\": {baseline:.3}, \
             \"ratio\": {ratio:.3}}}"
        );
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    /// Milliseconds of the page's clock.
    fn now() -> f64 {
        let performance = Reflect::get(&js_sys::global(), &"performance".into()).expect("browsers have one");
        let now = Function::from(field(&performance, "now")).call0(&performance).expect("a method");
        now.as_f64().expect("milliseconds")
    }
}
