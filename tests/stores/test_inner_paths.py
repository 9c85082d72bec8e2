"""Paths that stay inside their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from stores.inner_paths import PathOutsideError, path_inside


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "a//b", "a\\b", "C:/x", "a\0b"])
def test_a_path_outside_is_refused_by_its_words(name: str, tmp_path: Path) -> None:
    with pytest.raises(PathOutsideError, match="is not the path of a file inside its folder"):
        path_inside(tmp_path, name)


def test_a_path_outside_is_refused_by_its_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "run", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "tables").symlink_to(outside)
    (root / "figures").mkdir()
    assert path_inside(root, "figures/a.png") == root / "figures/a.png"
    with pytest.raises(PathOutsideError, match="leads through a link out of"):
        path_inside(root, "tables/a.csv")
