"""The page of formats: what lies in a run's folder, and what every array, code and column means."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from types import ModuleType

from croplayer.measures.features import feature_table
from reference.attributes import in_markdown, texts_below
from stores import change, run_folder, tables
from stores.cube import CUBE
from stores.legends import Correctness, CoverageType, Integration
from stores.round_columns import ROUND_COLUMNS
from stores.schema import ArraySpec, StoreSchema

HEAD = """
# Formats and data dictionary

What a run writes, and what each array, code and column in it means. Areas are km² on the ellipsoid WGS 84, coordinates are
EPSG:4326, rows go from north to south. **0 is never "not known"**: unknown pixels are 254 or 255, unknown numbers are null.

The columns of single fields are in [fields.md](fields.md#columns), the files of a label project in
[labels.md](labels.md#make-a-project), the formats of inputs in [rasters.md](rasters.md) and [evaluation.md](evaluation.md#three-levels).

## The folder of a run

"""
CUBE_TEXT = """
## The cube

`cube.zarr` is a Zarr v3 store with a group for each edition. The arrays lie on a lattice of blocks of 0.05 degrees; `x` and `y` are the
centres of pixels. One block of one source is one file: a chunk, or for `rgb` of large blocks a shard with inner chunks of 512 px. All are
compressed with zstd and have checksums. Attributes follow the CF conventions (`flag_values`, `flag_meanings`, `grid_mapping`).

"""
ARRAYS = "| array | dimensions | type | fill | values |\n|---|---|---|---|---|\n"
BLOCKS_TEXT = """
## The block table

`blocks.parquet` is a GeoParquet file with one row per block. It has the columns below, the features of the next table, and those of
`correctness.parquet`, `integration.parquet` and `corrections.csv`. Words in capitals stand for names: SOURCE for that of an
imagery source; MAP for a source, `merge_both` (both sources merged everywhere), `croplayer` (the integrated map), a product or the
reference; OTHER for a product or the reference; LEVEL for the level of the admin units; STEP for a step of the run.

"""
COLUMNS = "| column | meaning |\n|---|---|\n"
FEATURES_TEXT = """
### Features

16 features judge the semantic correctness of a source's mask, 30 decide the integration; the others describe.

| column | unit | group | use | meaning |
|---|---|---|---|---|
"""
TABLES_TEXT = """
## Tables

The folder `tables/` of a run holds CSV files (UTF-8, eight significant digits) and Parquet files. An empty field or a null means "not known".
"""
TABLES = {
    "Areas by admin unit": "UNITS",
    "Outlines of admin units": "UNIT_OUTLINES",
    "Statistics left over": "LEFT_OVER",
    "Blocks compared with other maps": "COMPARED_BLOCKS",
    "Agreement with other maps": "AGREEMENT",
    "Products beside the map": "PRODUCTS",
    "Deviations of products": "DEVIATION",
    "Deviations of products by slope": "SLOPE",
    "Definitions of products": "DEFINITIONS",
    "Accuracy at three levels": "LEVELS",
    "Accuracy by block": "EVALUATED_BLOCKS",
    "Parcels": "PARCELS",
    "Parcels one by one": "PARCEL_SCORES",
    "Areas from a sample": "SAMPLE_AREAS",
    "Accuracy from a sample": "SAMPLE_ACCURACY",
    "Notes on a sample": "SAMPLE_NOTES",
    "Fields by admin unit": "FIELD_UNITS",
    "Fields against drawn ones": "FIELD_FIGURES",
    "Reliability of the confidence of fields": "FIELD_RELIABILITY",
    "Drawn fields that were mapped worst": "FIELD_WORST",
    "Fields of two runs": "FIELD_MATCHES",
    "Correctness of masks": "CORRECTNESS",
    "Integration": "INTEGRATION",
    "Overrides": "OVERRIDDEN",
    "Corrections by hand": "CORRECTED",
    "Method of a decision": "METHOD",
    "Trial of a classifier": "TRIAL",
    "Reviews from a reference": "REVIEWS",
    "List of features": "FEATURES",
}
"""Title on the page and name in `stores.tables` of each declared table."""
CHANGE_TABLES = {
    "Change by admin unit": "CHANGE_UNITS",
    "Compared blocks": "CHANGE_BLOCKS",
    "Conversions": "CONVERSIONS",
    "Change of fields": "CHANGE_FIELDS",
    "Change from a sample": "CHANGE_ESTIMATES",
}
"""The same of `stores.change`."""
DECISIONS_TEXT = """
### Quality of a classifier

`correctness_KIND` and `integration_KIND` are written only if a classifier decided and was measured. `held_out` is Parquet, the others are
CSV.
"""
CHANGE_TEXT = """
## A comparison of two editions

The folder that `croplayer change` writes; [change.md](change.md) says how changes are found.

"""


ROUNDS_TEXT = """
## The record of rounds

`rounds.parquet` of a [label project](labels.md#rounds-and-when-to-stop) has one row per round and admin unit.

| column | type | unit | meaning |
|---|---|---|---|
"""


def formats_page() -> str:
    """The page in Markdown."""
    decisions = "".join(f"\n#### {kind}\n\n{_columns(columns)}" for kind, columns in tables.DECISION_TABLES.items())
    return "".join(
        (
            HEAD, _folder(run_folder), CUBE_TEXT, _arrays(CUBE), _flags(CUBE), _codes(),
            BLOCKS_TEXT, _columns(tables.BLOCKS), _features(),
            TABLES_TEXT, *(_table(tables, *named) for named in TABLES.items()), DECISIONS_TEXT, decisions,
            _rounds(), CHANGE_TEXT, _folder(change), "\n", _arrays(change.CHANGE_CUBE), _flags(change.CHANGE_CUBE),
            *(_table(change, *named) for named in CHANGE_TABLES.items()),
        )
    )  # fmt: skip


def _folder(module: ModuleType) -> str:
    """The table in a module's docstring, between lines of equals signs."""
    _, rows, _ = re.split(r"(?m)^=+ +=+\n?$", module.__doc__ or "")
    entries: list[list[str]] = []
    for line in rows.strip("\n").splitlines():
        name, told = line[:23].strip(), line[23:].strip()
        if name:
            entries.append([name, told])
        else:
            entries[-1][1] += f" {told}"
    return "| path | content |\n|---|---|\n" + "".join(f"| `{name}` | {told} |\n" for name, told in entries)


def _arrays(schema: StoreSchema) -> str:
    return ARRAYS + "".join(_array(spec) for spec in schema.arrays)


def _array(spec: ArraySpec) -> str:
    where = "; only in editions that need it" if spec.is_optional else ""
    return f"| `{spec.name}` | {', '.join(spec.dims)} | {spec.dtype} | {spec.fill_value} | {spec.long_name}{where} |\n"


def _flags(schema: StoreSchema) -> str:
    rows = "".join(
        f"| `{spec.name}` | {', '.join(f'{value} {name}' for value, name in spec.flags.items())} |\n"
        for spec in schema.arrays
        if spec.flags
    )
    return f"\n| array | codes |\n|---|---|\n{rows}"


def _codes() -> str:
    """The codes and labels of the decisions of blocks."""
    rows = "".join(
        f"| {title} | {', '.join(f'{code.value} {code.label}' for code in kind)} |\n"
        for title, kind in (
            ("coverage type, what the imagery of a block shows", CoverageType),
            ("semantic correctness, whether a mask shows cropland", Correctness),
            ("integration, which sources the map takes", Integration),
        )
    )
    return f"\nDecisions of blocks have these codes and labels:\n\n| decision | codes |\n|---|---|\n{rows}"


def _columns(columns: Mapping[str, str]) -> str:
    return COLUMNS + "".join(f"| `{name}` | {_cell(meaning)} |\n" for name, meaning in columns.items())


def _features() -> str:
    """The features of the block table, with the decisions that use them."""
    rows = ""
    for feature in feature_table(["SOURCE"]).itertuples():
        use = " and ".join(name for name in ("judges", "decides") if getattr(feature, name))
        rows += f"| `{feature.column}` | {feature.unit} | {feature.group} | {use} | {_cell(feature.meaning)} |\n"
    return FEATURES_TEXT + rows


def _table(module: ModuleType, title: str, name: str) -> str:
    """A section with the text below a declared table and its columns."""
    told = in_markdown(texts_below(ast.parse(inspect.getsource(module)).body)[name])
    return f"\n### {title}\n\n{told}\n\n{_columns(getattr(module, name))}"


def _rounds() -> str:
    """The record of a label project's rounds."""
    rows = "".join(f"| `{c.name}` | {c.dtype} | {c.unit} | {_cell(c.about)} |\n" for c in ROUND_COLUMNS)
    return ROUNDS_TEXT + rows


def _cell(text: str) -> str:
    return in_markdown(text).replace("|", "\\|")
