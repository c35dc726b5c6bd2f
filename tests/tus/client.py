"""Lets tuspy upload a file to a relay and says what came of it, as JSON: `client.py UPLOADS FILE LARGE`.

UPLOADS is the URL where uploads are made, FILE has some chunks, LARGE is larger than the relay takes.
"""

import hashlib
import json
import sys

from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from tusclient.uploader import Uploader

CHUNK = 1024 * 1024


class Damaging(Uploader):
    """Sends other bytes than it has made the checksum of."""

    CHECKSUM_ALGORITHM_PAIR = ("sha1", lambda chunk: hashlib.sha1(chunk + b"!"))


def refused(attempt):
    """The status with which a relay refuses what is attempted."""
    try:
        attempt()
    except TusCommunicationError as error:
        return error.status_code
    return None


def main():
    uploads, file, large = sys.argv[1:]
    client = TusClient(uploads)
    told = {}

    whole = client.uploader(file, chunk_size=CHUNK, metadata={"filename": "a file"}, upload_checksum=True)
    whole.upload()
    told["whole"] = [whole.url, whole.get_offset()]

    begun = client.uploader(file, chunk_size=CHUNK)
    begun.upload(stop_at=2 * CHUNK)
    # Another program goes on where the first one stopped, and knows the URL alone.
    again = client.uploader(file, chunk_size=CHUNK, url=begun.url)
    told["resumed_at"] = again.offset
    again.upload()
    told["resumed"] = [again.url, again.get_offset()]

    lost = client.uploader(file, chunk_size=CHUNK)
    lost.upload(stop_at=CHUNK)
    lost.offset = 2 * CHUNK
    lost.stop_at = lost.get_file_size()
    told["wrong_offset"] = refused(lost.upload_chunk)
    told["after_wrong_offset"] = lost.get_offset()

    damaged = client.uploader(file, chunk_size=CHUNK)
    damaged.upload(stop_at=CHUNK)
    damaging = Damaging(file, client=client, chunk_size=CHUNK, url=damaged.url, upload_checksum=True)
    told["damaged"] = refused(damaging.upload)
    told["after_damaged"] = damaged.get_offset()

    told["too_large"] = refused(client.uploader(large, chunk_size=CHUNK).upload)
    print(json.dumps(told))


main()
