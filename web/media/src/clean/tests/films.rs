//! Films: what lies where none of their tracks has anything, and names in what they need to be played.

use super::*;

#[test]
fn a_film_keeps_its_places_and_loses_its_times() {
    for (format, file) in [(Format::Mp4, MP4), (Format::Matroska, WEBM), (Format::Matroska, MKV)] {
        let (clean, _) = cleaned(format, file);
        assert_eq!(clean.len(), file.len());
        assert!(has(file, b"Secret") && has(file, b"Lavf") && !has(&clean, b"Lavf"));
    }
    let (clean, _) = cleaned(Format::Mp4, MP4);
    assert!(has(MP4, b"udta") && !has(&clean, b"udta") && has(&clean, b"free"));
    assert!(has(MP4, b"VideoHandler") && !has(&clean, b"VideoHandler"));
    let mut dated = MP4.to_vec();
    for header in [b"mvhd", b"tkhd", b"mdhd"] {
        let at = find(MP4, header) + 8;
        dated[at..at + 8].copy_from_slice(b"\xe0\0\0\x01\xe0\0\0\x02");
    }
    assert_eq!(cleaned(Format::Mp4, &dated).0, clean);
}

#[test]
fn a_track_of_places_goes_with_its_samples() {
    // The sound becomes what cameras call their places.
    let mut file = MP4.to_vec();
    let at = find(MP4, b"soun");
    file[at..at + 4].copy_from_slice(b"meta");
    let (clean, facts) = cleaned(Format::Mp4, &file);
    assert_eq!((clean.len(), facts.size), (file.len(), Some((32, 24))));
    let (before, _) = cleaned(Format::Mp4, MP4);
    let sound = find(MP4, b"stco");
    let second = sound + 4 + find(&MP4[sound + 4..], b"stco");
    let place = u32::from_be_bytes(MP4[second + 12..second + 16].try_into().unwrap()) as usize;
    assert!(before[place..place + 8].iter().any(|byte| *byte != 0));
    assert!(clean[place..place + 8].iter().all(|byte| *byte == 0));
    assert!(!has(&clean, b"mp4a") && has(&clean, b"avc1"));
}

const PLACE: &[u8] = b"freeGPS 47.3769N 8.5417E";

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes(), &kind[..], content].concat()
}

/// A box with parts in it.
fn of(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    boxed(kind, &parts.concat())
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A track with such samples, as boxes of a table of samples.
fn track(handler: &[u8; 4], number: u32, entry: &[u8], tables: &[Vec<u8>]) -> Vec<u8> {
    let header = [numbers(&[0, 0, 0, number, 0]), vec![0; 64]].concat();
    let handler = [&[0; 8][..], handler, &[0; 12], b"Secret"].concat();
    let description = boxed(b"stsd", &[&numbers(&[0, 1])[..], entry].concat());
    let place = boxed(b"dref", &[&numbers(&[0, 1])[..], &boxed(b"url ", b"\0\0\0\0Secret")].concat());
    let table = of(b"stbl", &[&[description][..], tables].concat());
    let media = of(b"minf", &[of(b"dinf", &[place]), table]);
    of(
        b"trak",
        &[
            boxed(b"tkhd", &header),
            of(
                b"mdia",
                &[boxed(b"mdhd", &numbers(&[0, 0, 0, 1000, 1000, 0])), boxed(b"hdlr", &handler), media],
            ),
        ],
    )
}

/// Chunks at these places with so many samples each, and how large those are: equal, or each its own.
fn table(chunks: &[u32], in_chunk: u32, equal: u32, each: &[u32]) -> Vec<Vec<u8>> {
    let count = if each.is_empty() { chunks.len() as u32 * in_chunk } else { each.len() as u32 };
    vec![
        boxed(b"stsc", &numbers(&[0, 1, 1, in_chunk, 1])),
        boxed(b"stsz", &[numbers(&[0, equal, count]), numbers(each)].concat()),
        boxed(b"stco", &[numbers(&[0, chunks.len() as u32]), numbers(chunks)].concat()),
    ]
}

fn film(parts: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let header = boxed(b"mvhd", &[numbers(&[0, 0, 0, 1000, 1000]), vec![0; 80]].concat());
    [boxed(b"mdat", data), of(b"moov", &[&[header][..], parts].concat())].concat()
}

fn video_entry() -> Vec<u8> {
    let mut entry = vec![0; 78];
    entry[12..16].copy_from_slice(b"Secr");
    entry[42..49].copy_from_slice(b"\x06Secret");
    boxed(b"avc1", &entry)
}

fn sound_entry(version: u16, channels: u16, bits: u16, packets: &[u32]) -> Vec<u8> {
    let mut entry = vec![0; 8];
    for number in [version, 0, 0, 0, channels, bits, 0, 0, 44100, 0] {
        entry.extend(number.to_be_bytes());
    }
    boxed(b"sowt", &[entry, numbers(packets)].concat())
}

/// The places of data that are not zero, as ranges.
fn left(clean: &[u8], size: usize) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for at in (8..8 + size).filter(|at| clean[*at] != 0) {
        match ranges.last_mut().filter(|range| range.1 == at) {
            Some(range) => range.1 += 1,
            None => ranges.push((at, at + 1)),
        }
    }
    ranges
}

#[test]
fn what_lies_between_the_samples_goes() {
    let data = vec![7; 400];
    let frames = table(&[10, 100, 250], 2, 0, &[20, 10, 30, 10, 40, 5]);
    let sound = |entry: &[u8]| {
        let sound = track(b"soun", 2, entry, &table(&[60, 160], 8, 1, &[]));
        film(&[track(b"vide", 1, &video_entry(), &frames), sound], &data)
    };
    let films = [(10, 40), (100, 140), (250, 295)];
    // A byte for each sample, whatever it has: what it has is in the description.
    for (entry, size) in [
        (sound_entry(0, 1, 8, &[]), Some(8)),
        (sound_entry(0, 2, 16, &[]), Some(32)),
        (sound_entry(1, 2, 16, &[4, 2, 4, 2]), Some(8)),
        (sound_entry(1, 2, 16, &[1, 2, 4, 2]), Some(32)),
        // Nobody says: up to what comes next.
        (sound_entry(1, 2, 16, &[0, 0, 0, 0]), None),
        (sound_entry(2, 2, 16, &[1, 2, 4, 2]), None),
    ] {
        let (clean, _) = cleaned(Format::Mp4, &sound(&entry));
        let mut kept = vec![films[0], (60, size.map_or(100, |size| 60 + size)), films[1]];
        kept.extend([(160, size.map_or(250, |size| 160 + size)), films[2]]);
        kept.dedup_by(|next, last| {
            let goes_on = last.1 == next.0;
            last.1 = if goes_on { next.1 } else { last.1 };
            goes_on
        });
        assert_eq!(left(&clean, 400), kept, "{entry:?}");
        assert!(!has(&clean, SECRET) && !has(&clean, b"Secr"));
    }
    // As many samples as an hour of sound has.
    let many = track(b"soun", 1, &sound_entry(0, 1, 8, &[]), &table(&[20], 200, 1, &[]));
    let mut file = film(&[many], &data);
    let at = find(&file, b"stsz") + 12;
    file[at..at + 4].copy_from_slice(&158_760_000_u32.to_be_bytes());
    assert_eq!(left(&cleaned(Format::Mp4, &file).0, 400), [(20, 220)]);
}

#[test]
fn a_place_between_the_samples_of_a_film_goes_and_the_film_stays() {
    // Put before all chunks, and before the second track's.
    let (plain, _) = cleaned(Format::Mp4, MP4);
    let second = MP4.len()
        - MP4
            .iter()
            .rev()
            .collect::<Vec<_>>()
            .windows(4)
            .position(|it| it == [&b'o', &b'c', &b't', &b's'])
            .expect("it is there");
    let place = u32::from_be_bytes(MP4[second + 8..second + 12].try_into().unwrap()) as usize;
    let mut file = with(MP4, place, PLACE);
    let data = find(MP4, b"mdat") - 4;
    let size = u32::from_be_bytes(file[data..data + 4].try_into().unwrap()) + PLACE.len() as u32;
    file[data..data + 4].copy_from_slice(&size.to_be_bytes());
    let mut at = 0;
    while let Some(next) = file[at..].windows(4).position(|part| part == b"stco") {
        at += next + 4;
        let count = u32::from_be_bytes(file[at + 4..at + 8].try_into().unwrap());
        for entry in 0..count as usize {
            let at = at + 8 + entry * 4;
            let chunk = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
            if chunk as usize >= place {
                file[at..at + 4].copy_from_slice(&(chunk + PLACE.len() as u32).to_be_bytes());
            }
        }
    }
    let (clean, _) = cleaned(Format::Mp4, &file);
    assert!(has(&file, PLACE) && !has(&clean, PLACE) && !has(&clean, b"freeGPS"));
    let begin = find(MP4, b"mdat") + 4;
    assert_eq!(&clean[begin..place], &plain[begin..place]);
    assert!(clean[place..place + PLACE.len()].iter().all(|byte| *byte == 0));
}

#[test]
fn a_film_in_fragments_keeps_what_its_runs_have() {
    let none = table(&[], 1, 0, &[]);
    let header = film(
        &[
            track(b"vide", 1, &video_entry(), &none),
            of(b"mvex", &[boxed(b"trex", &numbers(&[0, 1, 1, 0, 30, 0]))]),
        ],
        &[],
    );
    let fragment = |flags: u32, parts: &[Vec<u8>]| {
        let header = boxed(b"tfhd", &numbers(&[flags, 1]));
        of(b"moof", &[boxed(b"mfhd", &numbers(&[0, 1])), of(b"traf", &[&[header][..], parts].concat())])
    };
    // Sizes of their own behind durations, then such as the track has.
    let runs = |at: u32| {
        [boxed(b"trun", &numbers(&[0x301, 2, at, 9, 10, 9, 20])), boxed(b"trun", &numbers(&[1, 2, at + 100]))]
    };
    let size = fragment(0x2_0000, &runs(0)).len() as u32;
    let fragment = fragment(0x2_0000, &runs(size + 8 + 5));
    let file = [header, fragment, boxed(b"mdat", &[7; 200])].concat();
    let (clean, _) = cleaned(Format::Mp4, &file);
    let data = file.len() - 208;
    assert_eq!(left(&clean[data..], 200), [(13, 43), (113, 173)]);
}

fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    [id, &[0x40 | (content.len() >> 8) as u8, content.len() as u8], content].concat()
}

fn matroska(kind: u8, track: &[Vec<u8>]) -> Vec<u8> {
    let track = [&[element(&[0x83], &[kind])][..], track].concat().concat();
    let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track));
    let cluster = element(&[0x1f, 0x43, 0xb6, 0x75], &element(&[0xe7], &[0]));
    let segment = element(&[0x18, 0x53, 0x80, 0x67], &[tracks, cluster].concat());
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"webm")), segment].concat()
}

#[test]
fn what_a_film_needs_to_be_played_has_no_names_in_it() {
    let comments = b"\x03vorbis\x06\0\0\0Secret\x01\0\0\0\x0b\0\0\0TITLE=Place\x01";
    let vorbis = [&[2, 30, comments.len() as u8][..], &[1; 30], comments, b"\x05vorbis"].concat();
    let private = |content: &[u8]| element(&[0x63, 0xa2], content);
    let codec = |name: &[u8]| element(&[0x86], name);
    let file = matroska(2, &[private(&vorbis), codec(b"A_VORBIS"), element(&[0x25, 0x86, 0x88], SECRET)]);
    let (clean, _) = cleaned(Format::Matroska, &file);
    assert!(!has(&clean, SECRET) && !has(&clean, b"Place") && clean.len() == file.len());
    assert!(has(&clean, b"\x03vorbis\x15\0\0\0   ") && has(&clean, b" \0\0\0\0\x01\x05vorbis"));
    assert_eq!(cleaned(Format::Matroska, &clean).0, clean);

    let flac = [&b"fLaC\0\0\0\x04abcd\x84\0\0\x06"[..], SECRET].concat();
    let (clean, _) = cleaned(Format::Matroska, &matroska(2, &[codec(b"A_FLAC"), private(&flac)]));
    assert!(!has(&clean, SECRET) && has(&clean, b"abcd\x81\0\0\x06\0\0\0\0\0\0"));

    for (kind, is_kept) in [(1, true), (2, true), (0x11, false), (0x21, false)] {
        let outcome = run(Format::Matroska, &matroska(kind, &[]));
        assert!(if is_kept { outcome.is_ok() } else { matches!(outcome, Err(CleanError::Stuck(_))) });
    }
}
