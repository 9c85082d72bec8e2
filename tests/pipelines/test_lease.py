"""A run's folder whose links lead elsewhere is not touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.engine.lease import lease
from stores.run_folder import RunFolder


@pytest.mark.parametrize(
    "name", [".lock", "run.log", "tables", "export", "ledger/mosaic.jsonl", "cube.zarr", "models.x"]
)
def test_a_link_out_of_the_folder_is_refused_and_nothing_behind_it_changes(name: str, tmp_path: Path) -> None:
    root, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    (outside / ".x.partial").write_text("mine")
    link = root / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / ".x.partial" if "." in link.name else outside)
    with pytest.raises(ValueError, match=f"{link.name} is a link out of the run's folder"), lease(RunFolder(root)):
        pass
    assert (outside / ".x.partial").read_text() == "mine" and len(list(outside.iterdir())) == 1


def test_a_recipe_cannot_declare_a_folder_that_the_run_writes_to_be_its_input(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (root / "tables").symlink_to(tmp_path / "outside")
    (root / "recipe.toml").write_text(f"path = '{root / 'tables/x'}'\n")
    with pytest.raises(ValueError, match="tables is a link"), lease(RunFolder(root)):
        pass


def test_folders_of_inputs_and_the_run_itself_may_be_links(tmp_path: Path) -> None:
    for name in ("data", "disk/tables"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    (tmp_path / "run/models").symlink_to(tmp_path / "data")
    (tmp_path / "run/latest").symlink_to(tmp_path / "disk/tables")
    with lease(RunFolder(tmp_path / "run")):
        pass
