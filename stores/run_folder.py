"""Layout of the folder of a run.

=====================  ==========================================================================
recipe.toml            the recipe as it was resolved, with every default
provenance.json        versions of croplayer and its libraries, fingerprints and licences of inputs and models
cube.zarr/EDITION      the cube (stores.cube), unless the recipe's [store] places it in a bucket; ledgers, tables
                       and report beside it are of this one edition, the first
editions/EDITION/      a folder like this one for every later edition
ledger/STEP.jsonl      one line per finished block (stores.ledger)
ledger/outputs.json    which steps are finished, with digests of all that they wrote (stores.step_memory)
blocks.parquet         GeoParquet, one row per block (features: croplayer.measures.features)
boundaries.parquet     admin units of the run: adcode, name_en, name_zh, level, geometry
tables/                results as CSV and Parquet (columns: stores.tables)
figures/               the report's pictures
run.log                what happened and when (stores.run_log); no result depends on it
report.html            everything in one file
fields/                single fields by admin unit, and what was left out
export/                files for other software, by admin unit
country/, models/      inputs of the demo; like other inputs that a recipe names here, not part of the run
=====================  ==========================================================================
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from stores.ledger import Ledger
from stores.licences import Licence, LicensedInput
from stores.places import has_key, is_remote
from stores.snapshot import snapshot_cube
from stores.step_memory import FIELDS, STEPS_OF_CUBE, StepMemory

LEDGER_FOLDER = "ledger"
STEPS_FILE = "outputs.json"
BOUNDARIES_FILE = "boundaries.parquet"
"""Admin units that a run keeps beside its cube."""
EDITIONS_FOLDER = "editions"
"""Folder of the later editions of a run, each in a folder of its own that has the layout of a run's."""
FOLDERS = (LEDGER_FOLDER, "tables", "figures", "fields", "export")
"""Folders whose every file the run makes."""
INPUTS = frozenset({"country", "models"})
_GROUP = "zarr.json"
"""Key that every Zarr v3 group has."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run."""

    root: Path
    cube_url: str | None = None
    """Address of a cube that does not lie in the folder; None reads it from the folder's own recipe, if there is one."""

    @property
    def recipe(self) -> Path:
        """The recipe as it was resolved."""
        return self.root / "recipe.toml"

    @property
    def provenance(self) -> Path:
        """Versions, and fingerprints of inputs and models."""
        return self.root / "provenance.json"

    @property
    def cube(self) -> str | Path:
        """Path of the cube in the folder, or the address that the run's recipe gives."""
        return self.cube_url or self._stated_url or self.own_cube

    @property
    def own_cube(self) -> Path:
        """Path of a cube that lies in the folder."""
        return self.root / "cube.zarr"

    @property
    def _stated_url(self) -> str | None:
        store = self._stated.get("store")
        url = store.get("url") if isinstance(store, dict) else None
        return None if url is None else str(url)

    @property
    def _stated(self) -> dict[str, Any]:
        """Contents of the folder's own recipe; empty when it is missing or damaged, which verify reports by its digest."""
        if not self.recipe.is_file():
            return {}
        found = self.recipe.stat()
        return _toml(self.recipe, found.st_ino, found.st_mtime_ns, found.st_size)

    @property
    def title(self) -> str | None:
        """What the recipe calls the run for people; None without a recipe."""
        title = self._stated.get("title")
        return title if isinstance(title, str) and title else None

    @property
    def product_titles(self) -> dict[str, str]:
        """What the recipe calls each of the other maps for people, by its name: the products, then the reference."""
        products = self._stated.get("products")
        parts = [*(products if isinstance(products, list) else []), self._stated.get("reference")]
        named = [part for part in parts if isinstance(part, dict) and "name" in part]
        return {str(part["name"]): str(part.get("title") or part["name"]) for part in named}

    @property
    def review_files(self) -> list[Path]:
        """Files of the reviews that decided along: those that the recipe names, or that made from its reference."""
        decisions = self._stated.get("decisions")
        if not isinstance(decisions, dict):
            return []
        own = [self.table("reviews.csv")] if decisions.get("review_from_reference") else []
        return [*own, *(Path(str(name)) for name in decisions.get("reviews", ()))]

    @property
    def licence(self) -> tuple[Licence, str] | None:
        """The licence of the map and the address of its terms, empty without one; None where the recipe states no licence."""
        own = self._stated.get("publication")
        if not isinstance(own, dict) or not own.get("licence"):
            return None
        return Licence.of(str(own["licence"])), str(own.get("terms") or "")

    @property
    def licensed_inputs(self) -> list[LicensedInput]:
        """What the map is made of, with the licence of each; empty where the provenance names none."""
        if not self.provenance.is_file():
            return []
        stated = json.loads(self.provenance.read_text(encoding="utf-8")).get("licences", [])
        return [LicensedInput.from_json(each) for each in stated]

    @property
    def inputs(self) -> frozenset[str]:
        """Names in the folder that hold inputs of the run: those that its recipe names, and the demo's."""
        root = self.root.absolute()
        inside = (p.relative_to(root).parts for p in map(_absolute, _texts(self._stated)) if p.is_relative_to(root))
        return INPUTS | {parts[0] for parts in inside if parts}

    @property
    def edition(self) -> str | None:
        """The edition that the folder is of: by its recipe, else by its ledgers, else by its cube. None for an empty folder.

        Raises ValueError when it has no recipe and a line of a ledger is damaged.
        """
        stated = self._stated.get("edition")
        if isinstance(stated, str) and stated:
            return stated
        ledgers = (Ledger(self.ledger(step)) for step in STEPS_OF_CUBE)
        records = (record for ledger in ledgers for _, record in ledger.backwards())
        named = next((key.partition("/")[0] for record in records for key in record.files), None)
        groups = [path.parent.name for path in self.own_cube.glob(f"*/{_GROUP}")]
        return named or (groups[0] if len(groups) == 1 else None)

    def editions(self) -> dict[str, RunFolder]:
        """The folder of each edition by the edition's name: the first, which lies in the run's own folder, then by name.

        Empty for an empty folder. Raises as `edition`.
        """
        own = self.edition
        if own is None:
            return {}
        first = RunFolder(self.root) if self.recipe.is_file() else self
        return {own: first} | {later.root.name: later for later in self.later_editions()}

    def later_editions(self) -> list[RunFolder]:
        """The folders of the editions after the first, by name; not of those that have not begun."""
        folders = [RunFolder(path) for path in sorted((self.root / EDITIONS_FOLDER).glob("*"))]
        return [folder for folder in folders if folder.outputs.is_file()]

    def of_edition(self, edition: str | None) -> RunFolder:
        """The folder of an edition that is there; None is the only one.

        Raises ValueError when it is not there, or none is named and there are several.
        """
        found = self.editions()
        if edition is None and len(found) <= 1:
            return self
        if edition in found:
            return found[edition]
        if edition is None:
            raise ValueError(
                f"{self.root} holds the editions {', '.join(found)}; say which one, such as {self.root}@{list(found)[-1]}"
            )
        if not found:
            return self  # the cube tells which editions it holds
        raise ValueError(f"{self.root} has no edition '{edition}'; it holds {', '.join(found)}")

    def place_of(self, edition: str) -> RunFolder:
        """Where the run of an edition writes, whether it is there or not: here when it is the first, else below ``editions``."""
        if self.edition in (None, edition):
            return self
        return RunFolder(self.root / EDITIONS_FOLDER / edition, self.cube_url)

    @property
    def steps_of_cube(self) -> tuple[str, ...]:
        """Steps that must have finished a block of the cube: those of the map and, where the recipe asks for fields, theirs."""
        return (*STEPS_OF_CUBE, FIELDS) if "fields" in self._stated else STEPS_OF_CUBE

    def ledger(self, step: str) -> Path:
        """The ledger of a step."""
        return self.root / LEDGER_FOLDER / f"{step}.jsonl"

    @property
    def outputs(self) -> Path:
        """Which steps are finished, with the digests of their files."""
        return self.root / LEDGER_FOLDER / STEPS_FILE

    @property
    def has_ledgers(self) -> bool:
        """Whether a run has written here; a cube that was copied alone has no ledgers beside it."""
        return self.outputs.parent.is_dir()

    @property
    def memory(self) -> StepMemory:
        """What the run remembers of its steps."""
        return StepMemory(self.outputs, self.root)

    @property
    def lock(self) -> Path:
        """The file that one process locks while it works on the run."""
        return self.root / ".lock"

    @property
    def identity(self) -> Path:
        """The file with the id of the run, which all its editions share; only runs that write into a bucket have one."""
        return self.whole / ".run_id"

    def beside(self, word: str) -> Path:
        """Where something that is made of the run lies unless a person says otherwise: beside the run's folder, named after it."""
        root, whole = self.root.absolute(), self.whole
        return whole.with_name(f"{whole.name}_{word}" if whole == root else f"{whole.name}_{root.name}_{word}")

    @property
    def whole(self) -> Path:
        """The folder of the run that the folder of an edition belongs to."""
        root = self.root.absolute()
        return root.parent.parent if root.parent.name == EDITIONS_FOLDER else root

    def check_outside(self, place: str | Path) -> None:
        """Raise ValueError for a place inside of the folder of the run, which holds nothing but the run."""
        inside = not is_remote(place) and Path(place).resolve().is_relative_to(self.whole.resolve())
        if inside and self.recipe.is_file():
            raise ValueError(
                f"{place} lies in the folder of the run, which holds nothing but the run; give another one"
            )

    @property
    def log(self) -> Path:
        """What happened and when."""
        return self.root / "run.log"

    @property
    def blocks(self) -> Path:
        """The block table."""
        return self.root / "blocks.parquet"

    @property
    def boundaries(self) -> Path:
        """The admin units of the run; a region of the cube can be asked for by their names."""
        return self.root / BOUNDARIES_FILE

    def table(self, name: str) -> Path:
        """A table by the name of its file."""
        return self.root / "tables" / name

    def figure(self, name: str) -> Path:
        """A picture by the name of its file."""
        return self.root / "figures" / name

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    @property
    def fields(self) -> Path:
        """The folder of the fields, one file for each admin unit."""
        return self.root / "fields"

    @property
    def export(self) -> Path:
        """The folder of files for other software."""
        return self.root / "export"


class CubePlace(NamedTuple):
    """Where a cube lies, and the folder that holds it."""

    cube: str | Path
    folder: RunFolder | None
    """The folder beside it, which need not hold ledgers; None for an address of a bucket."""
    snapshot: str | Path | None = None
    """The snapshot that it lies in; None for the cube of a run."""


def cube_place(place: str | Path, edition: str | None = None) -> CubePlace:
    """The cube of a run's folder, of a cube's own folder, of a snapshot or of an address of a bucket.

    Parameters
    ----------
    edition : for the folder of a run with several editions; ``FOLDER@EDITION`` names it, too

    Raises
    ------
    FileNotFoundError
        if nothing lies there, or a run's folder has no cube yet
    ValueError
        for a file, for a folder that is neither of a run nor of a cube, for a group within a cube, for a snapshot that is not
        finished, and for a run without the edition, or with several when none is named
    """
    if is_remote(place):
        address = str(place)
        cube = None if has_key(address, _GROUP) else snapshot_cube(address)
        return CubePlace(address, None) if cube is None else CubePlace(cube, None, address)
    if edition is None:
        place, edition = parted(place)
    path = Path(place)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist, so it is not a cube; expected a run's folder or its cube.zarr")
    if not path.is_dir():
        raise ValueError(f"{path} is a file, not a cube; expected a run's folder or its cube.zarr")
    if has_key(path, _GROUP):
        if has_key(path.parent, _GROUP):
            raise ValueError(f"{path} is a part of {path.parent}; give that and edition='{path.name}'")
        return CubePlace(path, RunFolder(path.parent))
    cube = snapshot_cube(path)
    if cube is not None:
        return CubePlace(cube, RunFolder(path), path)
    run = RunFolder(path)
    if not (run.recipe.is_file() or run.has_ledgers or run.own_cube.is_dir()):
        raise ValueError(
            f"{path} is not a cube and not a run's folder: it holds neither {_GROUP} nor {run.recipe.name}; give a "
            "run's folder, its cube.zarr or s3://BUCKET/PREFIX"
        )
    run = run.of_edition(edition)
    if not is_remote(run.cube) and not has_key(run.cube, _GROUP):
        if run._stated and not run._stated.get("sources"):
            raise FileNotFoundError(
                f"{path} maps nothing, because its recipe has no [[sources]], so there is no cube to open"
            )
        raise FileNotFoundError(
            f"{path} has no {run.own_cube.name} yet, so it is not a cube to open; run its recipe first"
        )
    return CubePlace(run.cube, run)


def run_at(place: str | Path) -> RunFolder:
    """The run of a folder, or of the cube in it: ``runs/NAME`` and ``runs/NAME/cube.zarr`` are the same run."""
    path = Path(place)
    holds = RunFolder(path.parent)
    return holds if path.name == holds.own_cube.name and has_key(path, _GROUP) else RunFolder(path)


def edition_at(place: str | Path) -> RunFolder:
    """The folder of one edition: ``FOLDER`` where a run has one, else ``FOLDER@EDITION``.

    Raises ValueError when the run has no such edition, or has several and none is named.
    """
    folder, edition = parted(place)
    return run_at(folder).of_edition(edition)


def parted(place: str | Path) -> tuple[str, str | None]:
    """Folder and edition of a place; a folder whose own name holds an ``@`` is taken as it is."""
    text = str(place)
    if "@" not in text or Path(text).exists():
        return text, None
    folder, _, edition = text.rpartition("@")
    return folder, edition or None


@lru_cache(maxsize=4)
def _toml(path: Path, inode: int, time_ns: int, size: int) -> dict[str, Any]:
    """Contents of a file, which is read again only when it has changed; every step asks where the cube lies."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def _texts(value: Any) -> Iterator[str]:
    """Every string in a recipe."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
