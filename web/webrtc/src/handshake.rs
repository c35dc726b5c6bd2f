//! How two browsers come to a connection: offer, answer, and candidates as they are found (libp2p specs,
//! webrtc/webrtc.md, "Connection Establishment").

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::future::{Either, pending, select};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use futures_timer::Delay;
use web_sys::{RtcDataChannel, RtcSdpType};

use crate::peer::Peer;
use crate::signalling::{Signal, SignalError, SignalReader};
use crate::{Config, Error};

/// How long the other side may take for what is no more than a courtesy.
const COURTESY: Duration = Duration::from_secs(2);

/// Offers a connection over a signalling stream, and waits until it is there.
///
/// # Errors
/// Why it does not come about; the stream is to be reset then.
pub(crate) async fn offer<S>(peer: &Peer, stream: S) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reader, mut writer) = stream.split();
    let mut reader = SignalReader::new(reader);
    let init = peer.open_init();
    let offer = peer.offer().await?;
    send(&mut writer, &Signal::Offer(offer)).await?;
    {
        let mut told = pin!(tell(peer, &mut writer));
        let early = match select(pin!(answered(peer, &mut reader)), told.as_mut()).await {
            Either::Left((early, _)) => early?,
            Either::Right((never, _)) => match never {},
        };
        for candidate in early {
            peer.hear_candidate(&candidate).await?;
        }
        exchange(peer, &mut reader, told).await?;
    }
    // When it was open, the other side is connected too, and so the end of the signalling stream does not come too soon
    // for it.
    close_init(peer, &init).await;
    // There is a connection, whatever becomes of the stream.
    let _ = writer.close().await;
    Ok(())
}

/// Closes the channel that an offer began with: only whoever offers does, and the other side may have done so all the same.
pub(crate) async fn close_init(peer: &Peer, init: &RtcDataChannel) {
    let (Either::Left(_) | Either::Right(_)) = select(pin!(peer.opened(init)), Delay::new(COURTESY)).await;
    init.close();
}

/// Answers an offer that comes over a signalling stream; the connection, once it is there. Whoever only opens streams
/// costs no connection of the browser.
///
/// # Errors
/// Why it does not come about; the stream is to be reset then.
pub(crate) async fn answer<S>(config: Config, stream: S) -> Result<Peer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reader, mut writer) = stream.split();
    let mut reader = SignalReader::new(reader);
    let Signal::Offer(offer) = next(&mut reader).await? else { return Err(Error::OutOfOrder) };
    let peer = Peer::new(config)?;
    peer.hear(RtcSdpType::Offer, &offer).await?;
    let answer = peer.answer().await?;
    send(&mut writer, &Signal::Answer(answer)).await?;
    exchange(&peer, &mut reader, pin!(tell(&peer, &mut writer))).await?;
    // The other side closes the stream when it is connected, too, and could take an earlier end for a failure.
    let ended = async { while let Ok(Some(_)) = reader.next().await {} };
    let (Either::Left(_) | Either::Right(_)) = select(pin!(ended), Delay::new(COURTESY)).await;
    let _ = writer.close().await;
    Ok(peer)
}

/// Candidates that come before the answer.
const EARLY: usize = 32;

/// Waits for the answer; what came before it. Whoever answers may find candidates before the answer is written.
async fn answered<R>(peer: &Peer, reader: &mut SignalReader<R>) -> Result<Vec<String>, Error>
where
    R: AsyncRead + Unpin,
{
    let mut early = Vec::new();
    loop {
        match next(reader).await? {
            Signal::Answer(answer) => {
                peer.hear(RtcSdpType::Answer, &answer).await?;
                return Ok(early);
            }
            Signal::Candidate(candidate) if early.len() < EARLY => early.push(candidate),
            Signal::Candidate(_) => return Err(Error::TooManyCandidates),
            Signal::Offer(_) => return Err(Error::OutOfOrder),
        }
    }
}

/// Tells the other side of candidates as they are found, for as long as the stream takes them.
async fn tell(peer: &Peer, writer: &mut (impl AsyncWrite + Unpin)) -> Infallible {
    while send(writer, &Signal::Candidate(peer.next_candidate().await)).await.is_ok() {}
    pending().await
}

/// Hears of the other side's candidates and goes on telling of the own, until there is a connection. The signalling stream
/// may end before that: the other side is connected and done with it, or gone, of which the connection tells.
async fn exchange<R>(
    peer: &Peer,
    reader: &mut SignalReader<R>,
    told: Pin<&mut impl Future<Output = Infallible>>,
) -> Result<(), Error>
where
    R: AsyncRead + Unpin,
{
    let hear = async {
        loop {
            match reader.next().await {
                Ok(Some(Signal::Candidate(candidate))) => peer.hear_candidate(&candidate).await?,
                Ok(Some(Signal::Offer(_) | Signal::Answer(_))) => return Err(Error::OutOfOrder),
                Ok(None) | Err(SignalError::Broken) => return pending().await,
                Err(error) => return Err(error.into()),
            }
        }
    };
    match select(pin!(peer.connected()), select(pin!(hear), told)).await {
        Either::Left((connected, _)) => connected,
        Either::Right((Either::Left((outcome, _)), _)) => outcome,
        Either::Right((Either::Right((never, _)), _)) => match never {},
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), signal: &Signal) -> Result<(), Error> {
    writer.write_all(&signal.encode()).await.map_err(|_| Error::SignallingLost)?;
    writer.flush().await.map_err(|_| Error::SignallingLost)
}

async fn next<R: AsyncRead + Unpin>(reader: &mut SignalReader<R>) -> Result<Signal, Error> {
    reader.next().await?.ok_or(Error::SignallingLost)
}
