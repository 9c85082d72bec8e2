"""A server of the S3 protocol on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from moto.server import ThreadedMotoServer

from stores.places import bucket_of, keys_of, read_key

SECRET = "canary-8f20"


@contextmanager
def bucket_server(bucket: str) -> Iterator[dict[str, str]]:
    """A server that holds one empty bucket; yields the environment that opens it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    assert requests.put(f"{address}/{bucket}", timeout=10).status_code == 200
    bucket_of.cache_clear()
    yield {
        "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": SECRET,
    }  # fmt: skip
    bucket_of.cache_clear()
    server.stop()


def held(place: str) -> dict[str, bytes]:
    """Every key of a place with its bytes."""
    return {key: read_key(place, key) for key in keys_of(place)}
