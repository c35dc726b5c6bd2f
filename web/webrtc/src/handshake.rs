//! How two browsers come to a connection: offer, answer, and candidates as they are found (libp2p specs,
//! webrtc/webrtc.md, "Connection Establishment").

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, pending, select, try_join};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use futures_timer::Delay;
use web_sys::RtcSdpType;

use crate::Error;
use crate::peer::Peer;
use crate::signalling::{Signal, SignalError, SignalReader};

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
    // Whoever answers may find candidates before the answer is written.
    let mut early = Vec::new();
    loop {
        match next(&mut reader).await? {
            Signal::Answer(answer) => {
                peer.hear(RtcSdpType::Answer, &answer).await?;
                break;
            }
            Signal::Candidate(candidate) if early.len() < EARLY => early.push(candidate),
            Signal::Candidate(_) => return Err(Error::TooManyCandidates),
            Signal::Offer(_) => return Err(Error::OutOfOrder),
        }
    }
    for candidate in early {
        peer.hear_candidate(&candidate).await?;
    }
    exchange(peer, &mut reader, &mut writer).await?;
    // Only whoever offers closes it, and the other side may have done so all the same. When it was open, the other side
    // is connected too, and so the end of the signalling stream does not come too soon for it.
    let (Either::Left(_) | Either::Right(_)) = select(pin!(peer.opened(&init)), Delay::new(COURTESY)).await;
    init.close();
    // There is a connection, whatever becomes of the stream.
    let _ = writer.close().await;
    Ok(())
}

/// Answers an offer that comes over a signalling stream, and waits until there is a connection.
///
/// # Errors
/// Why it does not come about; the stream is to be reset then.
pub(crate) async fn answer<S>(peer: &Peer, stream: S) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reader, mut writer) = stream.split();
    let mut reader = SignalReader::new(reader);
    let Signal::Offer(offer) = next(&mut reader).await? else { return Err(Error::OutOfOrder) };
    peer.hear(RtcSdpType::Offer, &offer).await?;
    let answer = peer.answer().await?;
    send(&mut writer, &Signal::Answer(answer)).await?;
    exchange(peer, &mut reader, &mut writer).await?;
    // The other side closes the stream when it is connected, too, and could take an earlier end for a failure.
    let ended = async { while let Ok(Some(_)) = reader.next().await {} };
    let (Either::Left(_) | Either::Right(_)) = select(pin!(ended), Delay::new(COURTESY)).await;
    let _ = writer.close().await;
    Ok(())
}

/// Candidates that come before the answer.
const EARLY: usize = 32;

/// Tells the other side of candidates and hears of its own, until there is a connection. The signalling stream may end
/// before that: the other side is connected and done with it, or gone, of which the connection tells.
async fn exchange<R, W>(peer: &Peer, reader: &mut SignalReader<R>, writer: &mut W) -> Result<(), Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let tell = async {
        while send(writer, &Signal::Candidate(peer.next_candidate().await)).await.is_ok() {}
        pending::<Result<(), Error>>().await
    };
    let hear = async {
        loop {
            match reader.next().await {
                Ok(Some(Signal::Candidate(candidate))) => peer.hear_candidate(&candidate).await?,
                Ok(Some(Signal::Offer(_) | Signal::Answer(_))) => return Err(Error::OutOfOrder),
                Ok(None) | Err(SignalError::Broken) => break,
                Err(error) => return Err(error.into()),
            }
        }
        pending::<Result<(), Error>>().await
    };
    let talk = pin!(try_join(tell, hear));
    match select(pin!(peer.connected()), talk).await {
        Either::Left((connected, _)) => connected,
        Either::Right((Err(error), _)) => Err(error),
        Either::Right((Ok(((), ())), _)) => unreachable!("neither ends well"),
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), signal: &Signal) -> Result<(), Error> {
    writer.write_all(&signal.encode()).await.map_err(|_| Error::SignallingLost)?;
    writer.flush().await.map_err(|_| Error::SignallingLost)
}

async fn next<R: AsyncRead + Unpin>(reader: &mut SignalReader<R>) -> Result<Signal, Error> {
    reader.next().await?.ok_or(Error::SignallingLost)
}
