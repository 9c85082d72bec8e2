"""Values that get a key in another store: on a disk as hard links, and nowhere outside of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stores.inner_paths import PathOutsideError
from stores.links import Links


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Path, Path]:
    before, now = tmp_path / "before", tmp_path / "now"
    (before / "1/rgb/c/0").mkdir(parents=True)
    (before / "1/rgb/c/0/5").write_bytes(b"pixels")
    now.mkdir()
    return before, now


def test_a_link_is_the_same_file_and_replaces_what_was_there(stores: tuple[Path, Path]) -> None:
    before, now = stores
    links = Links(before, now)
    for _ in range(2):
        links.link("1/rgb/c/0/5", "2/rgb/c/0/7")
    assert (now / "2/rgb/c/0/7").samefile(before / "1/rgb/c/0/5")
    (now / "2/rgb/c/0/8").write_bytes(b"of a carrying over that was killed")
    links.link("1/rgb/c/0/5", "2/rgb/c/0/8")
    assert (now / "2/rgb/c/0/8").read_bytes() == b"pixels"
    links.sync()
    with pytest.raises(FileNotFoundError):
        links.link("1/rgb/c/0/6", "2/rgb/c/0/6")


@pytest.mark.parametrize("is_target", [False, True])
def test_no_link_leads_out_of_a_store(stores: tuple[Path, Path], tmp_path: Path, is_target: bool) -> None:
    before, now = stores
    outside = tmp_path / "outside/c"
    outside.mkdir(parents=True)
    (outside / "secret").write_bytes(b"secret")
    (now / "2").mkdir()
    ((now / "2") if is_target else (before / "1")).joinpath("evil").symlink_to(tmp_path / "outside")
    keys = ("1/rgb/c/0/5", "2/evil/c/5") if is_target else ("1/evil/c/secret", "2/rgb/c/5")
    with pytest.raises(PathOutsideError):
        Links(before, now).link(*keys)
    for key in ("../outside/c/secret", "1/../../outside/c/secret", "/etc/passwd"):
        with pytest.raises(PathOutsideError):
            Links(before, now).link(key, "2/rgb/c/5")
        with pytest.raises(PathOutsideError):
            Links(before, now).link("1/rgb/c/0/5", key)
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_two_buckets_are_refused(tmp_path: Path) -> None:
    for places in (("s3://a/x", "s3://b/x"), ("s3://a/x", tmp_path)):
        with pytest.raises(ValueError, match="are not the same bucket"):
            Links(*places)
