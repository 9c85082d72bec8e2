"""Training runs on one thread; the real scenes are read where they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shared.places import DATA


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Every test of the models."""


@pytest.fixture(scope="session")
def naip_fields() -> Path:
    folder = DATA / "naip_fields"
    if not folder.is_dir():
        pytest.skip(f"real scenes are absent: {folder} (set CROPLAYER_DATA)")
    return folder


@pytest.fixture(scope="session")
def clouds() -> Path:
    folder = DATA / "clouds"
    if not folder.is_dir():
        pytest.skip(f"labelled clouds are absent: {folder} (set CROPLAYER_DATA)")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub without a network that has owner/model: its commit "1" * 40 is v1, and its main branch is "2" * 40."""
    from huggingface_hub import constants

    from croplayer.models.bundles.pretrained import _fetched
    from croplayer.models.networks.segmentation import build_segmenter

    folder = tmp_path / "hub" / "models--owner--model"
    (folder / "refs").mkdir(parents=True)
    for seed, ref in ((1, "v1"), (2, "main")):
        (folder / "refs" / ref).write_text(str(seed) * 40)
        build_segmenter("segformer", "tiny", seed).model.save_pretrained(folder / "snapshots" / (str(seed) * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder.parent))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _fetched.cache_clear()
    yield folder
    _fetched.cache_clear()
