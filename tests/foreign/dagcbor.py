#!/usr/bin/env python3
"""Recomputes the published vectors without any code of this project.

Every event, frame, friend code, reach record, peer record and connect code in core/tests/vectors/protocol.json is made
again from its readable fields: encodings by the package dag-cbor, hashes by blake3, keys, signatures and sealing by
cryptography, bech32m and blinded keys by a few lines here, compressed frames are inflated by zlib. Blobs are made by
their rule: ids by blake3, outboards and slices by blake3_tree.py beside this file. Then bytes are compared. Rows of the local index are no protocol and are not looked at. Needs no network once the packages are there:

    python3 -m venv venv && venv/bin/pip install dag-cbor blake3 cryptography
    venv/bin/python tests/foreign/dagcbor.py
"""

import hashlib
import json
import sys
import zlib
from pathlib import Path

import blake3_tree
import dag_cbor
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

VECTORS = Path(__file__).resolve().parents[2] / "core/tests/vectors/protocol.json"
EVENT = "chanterelle 2026 event"


def item(value):
    """A value of the vector file as Python holds it: {"bytes": "<hexadecimal>"} is a byte string."""
    if isinstance(value, list):
        return [item(entry) for entry in value]
    if isinstance(value, dict):
        if list(value) == ["bytes"] and isinstance(value["bytes"], str):
            return bytes.fromhex(value["bytes"])
        return {key: item(entry) for key, entry in value.items()}
    return value


def uvarint(number):
    """An unsigned varint as multiformats has it."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def check_event(vector):
    """Yields what is wrong with an event."""
    fields = item(vector["fields"])
    unsigned = dag_cbor.encode(fields)
    if unsigned.hex() != vector["unsigned"]:
        yield "the unsigned bytes differ"
    if dag_cbor.decode(unsigned) != fields:
        yield "the unsigned bytes decode to something else"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"]))
    if key.public_key().public_bytes_raw() != fields["author"]:
        yield "the author is not the key of the seed"
    event_id = blake3(unsigned, derive_key_context=EVENT).digest()
    if event_id.hex() != vector["id"]:
        yield "the id differs"
    signature = key.sign(event_id)
    if signature.hex() != vector["signature"]:
        yield "the signature differs"
    if dag_cbor.encode([unsigned, signature]).hex() != vector["event"]:
        yield "the event differs"


def check_plain(frame, plain, vector):
    """Yields what is wrong with the encoding of a frame."""
    if plain.hex() != vector["plain"]:
        yield "the plain bytes differ"
    if dag_cbor.decode(plain) != frame:
        yield "the plain bytes decode to something else"


def check_frame(vector):
    """Yields what is wrong with a frame."""
    frame = item(vector["frame"])
    plain = dag_cbor.encode(frame)
    yield from check_plain(frame, plain, vector)
    stream = bytes.fromhex(vector["stream"])
    length = next(n for n in range(1, 5) if stream[n - 1] < 0x80)
    packing, payload = stream[length], stream[length + 1 :]
    if stream[:length] != uvarint(len(payload) + 1):
        yield "the length differs"
    if packing == 0:
        unpacked = payload
    elif packing == 1:
        inflate = zlib.decompressobj(wbits=-15)
        unpacked = inflate.decompress(payload)
        if not inflate.eof or inflate.unused_data:
            yield "the payload is not exactly one DEFLATE stream"
    else:
        yield f"packed in the unknown way {packing}"
        return
    if unpacked != plain:
        yield "the payload is not the plain bytes"


def check_media(vector):
    """Yields what is wrong with a frame of the media protocol."""
    frame = item(vector["frame"])
    plain = dag_cbor.encode(frame)
    yield from check_plain(frame, plain, vector)
    if (uvarint(len(plain)) + plain).hex() != vector["stream"]:
        yield "the bytes on the stream differ"


def check_blob(vector):
    """Yields what is wrong with a blob."""
    content = bytes(n % 251 for n in range(vector["size"]))
    blob_id = blake3(content).digest()
    if blob_id.hex() != vector["id"]:
        yield "the id differs"
    parents = {}
    if blake3_tree.subtree(content, 0, blake3_tree.ROOT, parents) != blob_id:
        yield "the root of the tree is not the id"
    if b"".join(parents[group] for group in sorted(parents)).hex() != vector["outboard"]:
        yield "the outboard differs"
    for part in vector["slices"]:
        if blake3_tree.slice_of(content, part["first"], part["count"], parents).hex() != part["bytes"]:
            yield f"the slice from group {part['first']} on differs"


def bech32m(prefix, data):
    """The text of bytes (BIP 350)."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    number, bits, values = 0, 0, []
    for byte in data:
        number, bits = number << 8 | byte, bits + 8
        while bits >= 5:
            bits -= 5
            values.append(number >> bits & 31)
    if bits:
        values.append(number << (5 - bits) & 31)
    check = 1
    spread = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    for value in spread + values + [0] * 6:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for at, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> at & 1 else 0
    check ^= 0x2BC830A3
    values += [check >> 5 * (5 - at) & 31 for at in range(6)]
    return prefix + "1" + "".join(alphabet[value] for value in values)


def check_code(vector):
    """Yields what is wrong with a friend code."""
    unsigned = dag_cbor.encode(item(vector["fields"]))
    if unsigned.hex() != vector["unsigned"]:
        yield "the unsigned bytes differ"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"]))
    digest = blake3(unsigned, derive_key_context="chanterelle 2026 friend code").digest()
    if bech32m("chan", dag_cbor.encode([unsigned, key.sign(digest)])) != vector["text"]:
        yield "the text differs"


# Ed25519 (RFC 8032, section 5.1), as far as a blinded key needs it.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(one, other):
    """The sum of two points of the curve, affine."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def times(scalar, point):
    """A multiple of a point."""
    total = (0, 1)
    while scalar:
        total = add(total, point) if scalar & 1 else total
        point, scalar = add(point, point), scalar >> 1
    return total


def encode_point(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


Y = 4 * pow(5, -1, P) % P
BASE = (15112221349535400772501151409588531511454012693041857206046113283949847762202, Y)


def derive(context, *parts, length=32):
    """A hash of parts, each behind its length."""
    data = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return blake3(data, derive_key_context=context).digest(length=length)


def check_record(vector):
    """Yields what is wrong with a reach record."""
    seed, reach = bytes.fromhex(vector["seed"]), bytes.fromhex(vector["reach"])
    nonce, time = bytes.fromhex(vector["nonce"]), vector["time"]
    day = (time // 86400).to_bytes(8, "little")
    secret = bytearray(hashlib.sha512(seed).digest()[:32])
    secret[0] &= 248
    secret[31] = secret[31] & 127 | 64
    plain_key = encode_point(times(int.from_bytes(secret, "little"), BASE))
    factor = derive("chanterelle 2026 reach blinding", plain_key, reach, day, length=64)
    scalar = int.from_bytes(factor, "little") * int.from_bytes(secret, "little") % L
    slot = encode_point(times(scalar, BASE))
    if slot.hex() != vector["slot"]:
        yield "the slot differs"
    place = dag_cbor.encode(item(vector["place"]))
    plain = (len(place).to_bytes(2, "little") + place).ljust(512, b"\0")
    sealed = ChaCha20Poly1305(derive("chanterelle 2026 reach seal", plain_key, reach, day)).encrypt(nonce, plain, slot)
    fields = {"v": 1, "slot": slot, "time": time, "until": time + 90000, "nonce": nonce, "sealed": sealed}
    unsigned = dag_cbor.encode(fields)
    digest = blake3(unsigned, derive_key_context="chanterelle 2026 reach record").digest()
    prefix = derive("chanterelle 2026 reach nonce", seed, reach, day)
    r = int.from_bytes(hashlib.sha512(prefix + digest).digest(), "little") % L
    commitment = encode_point(times(r, BASE))
    challenge = int.from_bytes(hashlib.sha512(commitment + slot + digest).digest(), "little") % L
    signature = commitment + ((r + challenge * scalar) % L).to_bytes(32, "little")
    if dag_cbor.encode([unsigned, signature]).hex() != vector["record"]:
        yield "the record differs"


def check_peer(vector):
    """Yields what is wrong with a peer record."""
    fields = item(vector["fields"])
    unsigned = dag_cbor.encode(fields)
    if unsigned.hex() != vector["unsigned"]:
        yield "the unsigned bytes differ"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"]))
    if key.public_key().public_bytes_raw() != fields["peer"]:
        yield "the peer is not the key of the seed"
    digest = blake3(unsigned, derive_key_context="chanterelle 2026 peer record").digest()
    if dag_cbor.encode([unsigned, key.sign(digest)]).hex() != vector["record"]:
        yield "the record differs"


def check_connect(vector):
    """Yields what is wrong with a connect code."""
    fields = item(vector["fields"])
    unsigned = dag_cbor.encode(fields)
    if unsigned.hex() != vector["unsigned"]:
        yield "the unsigned bytes differ"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed"]))
    if key.public_key().public_bytes_raw() != fields["peer"]:
        yield "the peer is not the key of the seed"
    digest = blake3(unsigned, derive_key_context="chanterelle 2026 connect code").digest()
    if digest.hex() != vector["hash"]:
        yield "the hash differs"
    prefix = "chananswer" if "of" in fields else "chanoffer"
    if bech32m(prefix, dag_cbor.encode([unsigned, key.sign(digest)])) != vector["text"]:
        yield "the text differs"


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS
    vectors = json.loads(path.read_text(encoding="utf-8"))
    checked = failed = 0
    checks = {
        "events": check_event,
        "frames": check_frame,
        "media": check_media,
        "blobs": check_blob,
        "codes": check_code,
        "records": check_record,
        "peers": check_peer,
        "connects": check_connect,
    }
    for kind, check in checks.items():
        for vector in vectors[kind]:
            checked += 1
            faults = list(check(vector))
            failed += bool(faults)
            for fault in faults:
                print(f"{kind} {vector['name']}: {fault}")
    print(f"{checked - failed} of {checked} vectors reproduced")
    return 1 if failed or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
