"""What the networks of this process are made of: the digest of their code, as it was when it was loaded.

A process may go on after its checkout was updated, so the digest is taken on import, beside that of the code itself.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_FILES = sorted(path for room in ("networks", "bundles") for path in (Path(__file__).parents[1] / room).glob("*.py"))
NETWORK_CODE = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in _FILES)).hexdigest()
"""sha256 of the code of all networks and of their graphs."""
