#!/usr/bin/env python3
"""Recomputes the published vectors without any code of this project.

Every event and frame in core/tests/vectors/protocol.json is encoded again from its readable fields by the package
dag-cbor, ids by blake3, keys and signatures by cryptography, compressed frames are inflated by zlib; then bytes are
compared. Rows of the local index are no protocol and are not looked at. Needs no network once the packages are there:

    python3 -m venv venv && venv/bin/pip install dag-cbor blake3 cryptography
    venv/bin/python tests/foreign/dagcbor.py
"""

import json
import sys
import zlib
from pathlib import Path

import dag_cbor
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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


def check_frame(vector):
    """Yields what is wrong with a frame."""
    frame = item(vector["frame"])
    plain = dag_cbor.encode(frame)
    if plain.hex() != vector["plain"]:
        yield "the plain bytes differ"
    if dag_cbor.decode(plain) != frame:
        yield "the plain bytes decode to something else"
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


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS
    vectors = json.loads(path.read_text(encoding="utf-8"))
    checked = failed = 0
    for kind, check in (("events", check_event), ("frames", check_frame)):
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
