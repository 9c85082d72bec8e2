"""A comparison of two editions: its folder, its cube and its columns.

=====================  ==========================================================================
comparison.json        the editions that are compared, and the rules
change.zarr/change     the cube of the change, on the lattice, one block per shard
ledger/STEP.jsonl      one line per finished block (stores.ledger)
ledger/outputs.json    whether the step 'sieve', the last one, is finished (stores.step_memory)
tables/                change by admin unit, blocks that were not compared, conversions, fields
change.tif             the map of change as a GeoTIFF, if it was asked for
report.html            everything in one file
=====================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stores.cube import MASK_FLAGS
from stores.legends import NEVER_PROCESSED, WEAK_GAIN, WEAK_LOSS, Change
from stores.run_folder import LEDGER_FOLDER, STEPS_FILE
from stores.schema import ArraySpec, StoreSchema
from stores.step_memory import StepMemory

CHANGE = "change"
"""Group of the store, and array of the changes."""
DIFFERENCE = "difference"
"""Array of the differences that have evidence, before lone and small ones are left out."""
NEAR_CHANGE = "near_change"
"""Array of flags of stable ground near a change."""
REMAPPED = "remapped"
"""Array of the flags that the model of the later edition gives to the imagery of the earlier one."""
REMAPPED_PROBABILITY = "remapped_probability"
"""Array of the scores of these flags."""

SIEVE = "sieve"
"""The last step of a comparison, which writes the changes."""

CHANGE_FLAGS = {int(change): change.name.lower() for change in Change}

CHANGE_CUBE = StoreSchema(
    name="change",
    version=1,
    arrays=(
        ArraySpec(
            name=DIFFERENCE,
            dims=("y", "x"),
            dtype="uint8",
            fill_value=int(Change.NEVER_COMPARED),
            long_name="differences of two editions that have evidence, before lone and small ones are left out",
            flags=CHANGE_FLAGS | {WEAK_GAIN: "weak_gain", WEAK_LOSS: "weak_loss"},
        ),
        ArraySpec(
            name=CHANGE,
            dims=("y", "x"),
            dtype="uint8",
            fill_value=int(Change.NEVER_COMPARED),
            long_name="change between two editions",
            flags=CHANGE_FLAGS,
        ),
        ArraySpec(
            name=NEAR_CHANGE,
            dims=("y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="stable ground near a change",
            flags={0: "no", 1: "near_change", NEVER_PROCESSED: "never_compared"},
        ),
        ArraySpec(
            name=REMAPPED,
            dims=("y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="cropland that the later edition's model sees in the earlier edition's imagery",
            flags=MASK_FLAGS,
            is_optional=True,
        ),
        ArraySpec(
            name=REMAPPED_PROBABILITY,
            dims=("source", "y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="cropland score of the later edition's model in the earlier edition's imagery: 0 to 250, 254 no imagery, "
            "255 where the earlier map does not take the source",
            is_optional=True,
        ),
    ),
)

BLOCK = {"block": "name of the block, rROWcCOL"}

CHANGE_UNITS: Mapping[str, str] = {
    "adcode": "code of the admin unit; empty for everything that was compared",
    "name_en": "its name",
    "known_km2": "land that both editions know and that was compared",
    "unknown_km2": "other land of the compared blocks",
    "stable_cropland_km2": "cropland in both editions",
    "stable_other_km2": "not cropland in both editions",
    "gain_km2": "mapped change to cropland; a count of pixels, not an estimate",
    "loss_km2": "mapped change from cropland; a count of pixels, not an estimate",
    "plain_gain_km2": "what the two maps differ by without any rule: cropland only in the later one",
    "plain_loss_km2": "cropland only in the earlier one",
    "model_gain_km2": "part of that which is the model's: cropland that only the later model sees in the earlier imagery; "
    "null where that imagery was not mapped again",
    "model_loss_km2": "cropland that only the earlier model sees in it",
}
"""``change.csv`` and ``change.parquet``: mapped areas by admin unit, km2 on the ellipsoid."""

CHANGE_BLOCKS: Mapping[str, str] = {
    **BLOCK,
    "compared": "whether it was compared",
    "reason": "why not; empty where it was",
    "sources_before": "sources that the earlier map takes there, joined by '+'",
    "sources_after": "sources that the later map takes there",
    "shift_m": "how far the later imagery lies from the earlier one, the most of its sources; null where not measured",
    "shift_rows_px": "that southwards, in pixels",
    "shift_cols_px": "that eastwards, in pixels",
    "shift_agreement": "share of the measured windows that agree on it, 0 to 1",
}
"""``change_blocks.csv`` and ``change_blocks.parquet``: one row for each block of either edition."""

CONVERSIONS: Mapping[str, str] = {
    "product": "name of the product",
    "year": "year that it shows; empty if not known",
    "change": "gain or loss",
    "is_cropland": "whether the product calls the ground cropland; empty where it does not know it",
    "code": "class code of the product there; empty for a map in per cent, or where it does not know the ground",
    "class": "name of the class in its legend",
    "km2": "area of the change with this class",
    "share": "share of the change's area, 0 to 1",
}
"""``change_conversions.csv``: what another product says is there now."""

CHANGE_FIELDS: Mapping[str, str] = {
    "edition": "before or after: the edition that has the field",
    "id": "its id there",
    "kind": "what became of it by its outline: same, changed, split, merged, reshaped; gone or new without a counterpart",
    "area_ha": "its area, ha",
    "known_ha": "area of it that both maps know and that was compared",
    "changed_ha": "area of it that is loss, for a field of the earlier edition, or gain, for one of the later edition",
    "verdict": "gone or new: without a counterpart, and more than half of its known ground changed; part: some of it changed; none: "
    "none of it did, so only the outlines differ; not known: half of it or less is known",
}
"""``change_fields.parquet``: every field of either edition, where both have fields."""

CHANGE_ESTIMATES: Mapping[str, str] = {
    "adcode": "code of the admin unit; empty for all that was sampled",
    "name_en": "its name",
    "change": "stable other, stable cropland, gain or loss",
    "points": "number of labelled points in the unit",
    "mapped_km2": "area of that class on the map",
    "estimate_km2": "its area estimated from the sample; null where the unit has no point",
    "standard_error_km2": "its standard error; null where the sample gives none",
    "low_km2": "lower end of the interval; null where the sample gives none",
    "high_km2": "its upper end",
}
"""``change_estimates.csv``: areas from a sample of the strata of change."""


@dataclass(frozen=True)
class ChangeFolder:
    """Paths of a comparison."""

    root: Path

    @property
    def comparison(self) -> Path:
        """What is compared, and by which rules."""
        return self.root / "comparison.json"

    @property
    def cube(self) -> Path:
        """The store of the change."""
        return self.root / "change.zarr"

    @property
    def boundaries(self) -> Path:
        """The admin units of the later edition's run."""
        return self.root / "boundaries.parquet"

    def ledger(self, step: str) -> Path:
        """The ledger of a step."""
        return self.root / LEDGER_FOLDER / f"{step}.jsonl"

    @property
    def memory(self) -> StepMemory:
        """Whether the last step is finished, and made of what."""
        return StepMemory(self.root / LEDGER_FOLDER / STEPS_FILE, self.root)

    def table(self, name: str) -> Path:
        """A table by the name of its file."""
        return self.root / "tables" / name

    @property
    def geotiff(self) -> Path:
        """The map as a GeoTIFF."""
        return self.root / "change.tif"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"
