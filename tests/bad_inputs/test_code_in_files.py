"""Nothing that can run code is read from a file."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from shared.places import REPOSITORY

BETWEEN_OWN_PROCESSES = {
    "croplayer/workers/block_process.py",
    "croplayer/workers/isolated.py",
    "pipelines/engine/execute.py",
}
"""Where a run's own processes hand each other blocks and records; nothing from a file comes there."""


ARCHIVES = {"croplayer/packages/archive.py", "pipelines/packaging.py"}
"""Where archives of packages are written, and the index is read out of one into memory; none is ever unpacked."""
OF_ONE_DIGEST = "croplayer/models/networks/encoder_weights.py"
"""Where a file whose whole digest is in the code is read, by a reader that builds tensors alone."""


def test_nothing_that_can_run_code_is_read() -> None:
    """No pickle, no archive, no torch.load of just any file, no binary booster, no eval anywhere in the package."""
    forbidden = re.compile(r"^(pickle|cPickle|dill|joblib|tarfile|zipfile|shelve|marshal)$")
    found = []
    for room in ("croplayer", "stores", "pipelines"):
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                own = names == ["pickle"] and path.relative_to(REPOSITORY).as_posix() in BETWEEN_OWN_PROCESSES
                own |= names == ["tarfile"] and path.relative_to(REPOSITORY).as_posix() in ARCHIVES
                if any(forbidden.match(n.split(".")[0]) for n in names) and not own:
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
                calls = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if calls.endswith((".extract", ".extractall", ".unpack_archive")):
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
                of_one_digest = path.relative_to(REPOSITORY).as_posix() == OF_ONE_DIGEST
                if calls == "torch.load" and of_one_digest and "weights_only=True" in ast.unparse(node):
                    continue
                if calls in ("eval", "exec", "torch.load", "np.fromfile"):
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
                if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) == "True":
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert not found


def test_pickled_weights_are_refused_unread(tmp_path: Path) -> None:
    """A bundle whose weights are a pickle that writes a file: refused, and the file is not there."""
    from croplayer.models.bundles.bundle import load
    from croplayer.models.bundles.catalogue import SHIPPED

    folder = tmp_path / "model"
    shutil.copytree(next(p.parent for p in sorted(SHIPPED.rglob("manifest.json"))), folder)
    mark = tmp_path / "ran"
    weights = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match=r"model\.safetensors does not match its digest"):
        load(folder)
    assert not mark.exists()
