//! GIF (89a): a screen, then images and extensions made of blocks of at most 255 bytes, up to a trailer.

use super::{Facts, Plan, Reader, malformed};
use crate::messages::CleanError;

/// Applications whose extension says how often an animation is repeated.
const LOOPS: [&[u8; 11]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    if !matches!(&reader.bytes()?, b"GIF87a" | b"GIF89a") {
        return Err(malformed("it does not begin as a GIF does"));
    }
    let [w0, w1, h0, h1, flags, _, _] = reader.bytes()?;
    facts.see_size(u16::from_le_bytes([w0, w1]).into(), u16::from_le_bytes([h0, h1]).into());
    table(reader, flags)?;
    let mut images = 0_u32;
    // The control of what follows, as where it is and how long.
    let mut control = None;
    loop {
        let at = reader.at();
        match reader.u8()? {
            0x3b => break,
            0x2c => {
                let [x0, x1, y0, y1, w0, w1, h0, h1, flags] = reader.bytes()?;
                let sum = |a, b, c, d| {
                    u32::from(u16::from_le_bytes([a, b])) + u32::from(u16::from_le_bytes([c, d]))
                };
                facts.see_size(sum(x0, x1, w0, w1), sum(y0, y1, h0, h1));
                table(reader, flags)?;
                reader.skip(1)?;
                blocks(reader)?;
                images = images.saturating_add(1);
                control = None;
            }
            0x21 => extension(reader, plan, at, &mut control)?,
            _ => return Err(malformed("it has a part that nobody knows")),
        }
    }
    if images == 0 {
        return Err(malformed("it has no picture"));
    }
    facts.animated = images > 1;
    plan.cut(reader.at(), reader.left())
}

fn extension(
    reader: &mut Reader<'_>,
    plan: &mut Plan,
    at: u64,
    control: &mut Option<(u64, u64)>,
) -> Result<(), CleanError> {
    match reader.u8()? {
        0xf9 => {
            // Of two, the first says nothing.
            if let Some((at, size)) = control.take() {
                plan.cut(at, size)?;
            }
            if reader.u8()? != 4 {
                return Err(malformed("a control of it has another size"));
            }
            reader.skip(4)?;
            blocks(reader)?;
            *control = Some((at, reader.at() - at));
            Ok(())
        }
        0xff => {
            let name = reader.peek::<16>()?;
            blocks(reader)?;
            let whole = reader.at() - at;
            let repeats = match name.as_slice() {
                [11, name @ .., 3, 1, low, high] if LOOPS.iter().any(|known| *known == name) => [*low, *high],
                _ => return plan.cut(at, whole),
            };
            // A bare one of these is 19 bytes; a longer one has something behind.
            if whole == 19 {
                return Ok(());
            }
            let mut bare = vec![0x21, 0xff];
            bare.extend(&name[..14]);
            bare.extend(repeats);
            bare.push(0);
            plan.replace(at, whole, &bare)
        }
        label => {
            blocks(reader)?;
            // A text in the picture, which no browser draws, and what controls it.
            if label == 0x01
                && let Some((at, size)) = control.take()
            {
                plan.cut(at, size)?;
            }
            plan.cut(at, reader.at() - at)
        }
    }
}

/// Leaves a table of colours out, if there is one.
fn table(reader: &mut Reader<'_>, flags: u8) -> Result<(), CleanError> {
    if flags & 0x80 == 0 { Ok(()) } else { reader.skip(3 << ((flags & 7) + 1)) }
}

/// Leaves blocks out, up to the empty one that ends them.
fn blocks(reader: &mut Reader<'_>) -> Result<(), CleanError> {
    loop {
        match reader.u8()? {
            0 => return Ok(()),
            size => reader.skip(size.into())?,
        }
    }
}
