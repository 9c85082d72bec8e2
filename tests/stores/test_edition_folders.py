"""Which folder of a run an edition lies in."""

from __future__ import annotations

from pathlib import Path

import pytest

from stores.run_folder import RunFolder, edition_at, parted


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with the editions 2020 and 2021, and one that never began."""
    for place, edition in ((tmp_path / "run", "2020"), (tmp_path / "run/editions/2021", "2021")):
        (place / "ledger").mkdir(parents=True)
        (place / "ledger/outputs.json").touch()
        (place / "recipe.toml").write_text(f'edition = "{edition}"\n', encoding="utf-8")
    (tmp_path / "run/editions/2022").mkdir()
    return tmp_path / "run"


def test_an_edition_is_named_where_there_are_several(run: Path) -> None:
    assert list(RunFolder(run).editions()) == ["2020", "2021"]
    assert edition_at(f"{run}@2020").root == run
    assert edition_at(f"{run}@2021").root == run / "editions/2021"
    assert edition_at(run / "editions/2021").root == run / "editions/2021"
    with pytest.raises(ValueError, match=f"{run} holds the editions 2020, 2021; say which one, such as {run}@2021"):
        edition_at(run)
    with pytest.raises(ValueError, match="has no edition '2022'; it holds 2020, 2021"):
        edition_at(f"{run}@2022")


def test_a_run_of_one_edition_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('edition = "1"\n', encoding="utf-8")
    assert edition_at(tmp_path).root == tmp_path
    named = tmp_path / "a@b"
    named.mkdir()
    assert parted(named) == (str(named), None)


def test_editions_go_to_folders_of_their_own(run: Path, tmp_path: Path) -> None:
    assert RunFolder(run).place_of("2020").root == run
    assert RunFolder(run).place_of("2023").root == run / "editions/2023"
    assert RunFolder(tmp_path / "new").place_of("2023").root == tmp_path / "new"


def test_what_is_made_of_a_run_lies_beside_it_and_tells_its_edition(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "demo").beside("map") == tmp_path / "demo_map"
    assert RunFolder(tmp_path / "demo/editions/2021").beside("paper") == tmp_path / "demo_2021_paper"
