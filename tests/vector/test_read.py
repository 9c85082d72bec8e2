"""The digest of a vector file: of all files that are read with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from croplayer.vector.read import digest_vector


@pytest.mark.parametrize("ending", [".shp", ".shx", ".dbf", ".prj", ".cpg"])
def test_each_part_of_a_shapefile_counts(tmp_path: Path, ending: str) -> None:
    for part in (".shp", ".shx", ".dbf", ".prj", ".cpg"):
        (tmp_path / f"units{part}").write_text(part)
    before = digest_vector(tmp_path / "units.shp")
    assert digest_vector(tmp_path / "units.shp") == before
    (tmp_path / f"units{ending}").write_text("other")
    assert digest_vector(tmp_path / "units.shp") != before


def test_changes_of_an_open_geopackage_count_and_other_files_do_not(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    path.write_text("a")
    before = digest_vector(path)
    (tmp_path / "units.qml").write_text("style")
    assert digest_vector(path) == before
    (tmp_path / "units.gpkg-wal").write_text("b")
    assert digest_vector(path) != before


def test_the_digest_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.gpkg").write_text("same")
    assert digest_vector(tmp_path / "a/a.gpkg") == digest_vector(tmp_path / "b/b.gpkg")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest_vector(tmp_path / "units.gpkg")
