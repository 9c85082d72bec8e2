"""The run that a bucket belongs to, so that two runs never write into the same cube.

An object beside the cube's prefix, ``PREFIX.owner.json``, holds the id of the run, which lies in the run's folder too. It is
created only if it is not there, which S3 decides for one of several that try at once.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stores.durable import write_durable
from stores.places import check_place, open_bucket

ENDING = ".owner.json"


def claim_bucket(place: str, identity: Path) -> None:
    """Make a bucket that of a run.

    Parameters
    ----------
    place : address of the cube, ``s3://BUCKET/PREFIX``
    identity : the file in the run's folder that holds the run's id; written if it is not there

    Raises
    ------
    ValueError
        if the bucket belongs to another run.
    """
    if not identity.is_file():
        write_durable(identity, f"{uuid.uuid4().hex}\n".encode())
    since = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"run": _id_of(identity), "since": since}
    bucket, name = _beside(place)
    from obstore import put
    from obstore.exceptions import AlreadyExistsError

    try:
        put(bucket, name, (json.dumps(owner) + "\n").encode(), mode="create")
    except AlreadyExistsError:
        check_owner(place, identity)
    except Exception:  # the request may have arrived and its answer not
        if _owner(place).get("run") != owner["run"]:
            raise


def check_owner(place: str, identity: Path) -> None:
    """Raise ValueError if a bucket belongs to another run than that whose folder holds a file with its id."""
    owner = _owner(place)
    if owner and (not identity.is_file() or owner.get("run") != _id_of(identity)):
        name = _beside(place)[1].rpartition("/")[2]
        raise ValueError(
            f"{place} belongs to another run, since {owner.get('since', 'an unknown time')}; give [store] url another prefix, "
            f"or run into the folder of that run. If that folder is lost, remove the object {name} beside the cube"
        )


def _owner(place: str) -> dict[str, str]:
    """What the object beside a cube says of its owner; empty if it is not there, an entry without use if it is damaged."""
    from obstore import get

    bucket, name = _beside(place)
    try:
        found = json.loads(bytes(get(bucket, name).bytes().to_bytes()))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) and found else {"run": ""}


def _id_of(identity: Path) -> str:
    return identity.read_text(encoding="ascii").strip()


def _beside(place: str) -> tuple[Any, str]:
    """The whole bucket of a cube, and the key of the object that names its owner."""
    check_place(place)
    parts = urlsplit(place)
    return open_bucket(f"s3://{parts.netloc}"), parts.path.strip("/") + ENDING
