//! How long until a stream of ours can be used, against bare connections of the same browser. A wasm test that prints a
//! `bench-row` for `cargo xtask bench webrtc`.
//!
//! Both ends are in one page, and so is the relay of ours, to which both are connected already. A bare connection is two
//! `RTCPeerConnection`s whose descriptions and candidates are handed over by function calls. They take turns, and the
//! median turn counts.

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

    const ASKED: StreamProtocol = StreamProtocol::new("/asked/1");

    /// Connections of each kind, none of which may hang.
    const CONNECTIONS: usize = 40;

    /// A pair of bare connections with one data channel: how long until the channel is open, milliseconds, and a function
    /// that closes them.
    const BARE: &str = "
        const begun = performance.now();
        const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
        a.onicecandidate = ({candidate}) => candidate && b.addIceCandidate(candidate);
        b.onicecandidate = ({candidate}) => candidate && a.addIceCandidate(candidate);
        const channel = a.createDataChannel('');
        const arrived = new Promise(resolve => { b.ondatachannel = resolve; });
        const open = new Promise(resolve => { channel.onopen = resolve; });
        await a.setLocalDescription();
        await b.setRemoteDescription(a.localDescription);
        await b.setLocalDescription();
        await a.setRemoteDescription(b.localDescription);
        await open;
        await arrived;
        const took = performance.now() - begun;
        return {took, close: () => { a.close(); b.close(); }};";

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

    /// Two tabs of ours: how long from the dial until a stream was opened and answered, milliseconds.
    async fn ours(relay: &Multiaddr) -> f64 {
        let ((mut here, _), (there, address)) = join(tab(relay), tab(relay)).await;
        let mut incoming = there.behaviour().streams.new_control().accept(ASKED).expect("accepted once");
        spawn_local(there.for_each(async |_| {}));
        spawn_local(async move {
            let (_, mut stream) = incoming.next().await.expect("it is asked");
            stream.write_all(&[1]).await.expect("the other side reads");
            stream.close().await.expect("it is open");
        });
        let mut control = here.behaviour().streams.new_control();
        let peer = peer_in(&address);
        let begun = now();
        here.dial(address).expect("it is such an address");
        let work = async move {
            // Until there is a connection.
            let mut stream = loop {
                if let Ok(stream) = control.open_stream(peer, ASKED).await {
                    break stream;
                }
            };
            stream.read_exact(&mut [0]).await.expect("it is answered");
            now() - begun
        };
        match select(Box::pin(work), Box::pin(here.for_each(async |_| {}))).await {
            Either::Left((took, _)) => took,
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

    fn close(pair: &JsValue) {
        Function::from(field(pair, "close")).call0(&JsValue::UNDEFINED).expect("a function");
    }

    #[wasm_bindgen_test]
    async fn connections_in_a_row_against_bare_ones() {
        let relay = relay().await;
        let (mut ours_took, mut bare_took) = (Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS {
            ours_took.push(ours(&relay).await);
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
