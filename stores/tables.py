"""Meaning of the columns of the tables in ``tables/`` of a run's folder.

CSV files are UTF-8 with 8 significant digits, Parquet files are compressed with zstd. An empty field or a null
means "not known".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from stores.columns import EULER_MEAN, KNOWN, SOLIDITY_MEAN

Columns = Mapping[str, str]
"""Meaning of every column by its name; a word in capitals stands for the names that it can take."""

BLOCK = {"block": "name of the block, rROWcCOL"}

DECISION_TABLES: Mapping[str, Columns] = {
    "held_out": {
        "split": "stratified (a random fifth of every class is held out), spatial (a fifth of the squares) or, for a "
        "classifier that the recipe names, elsewhere (it was fitted to none of the samples)",
        **BLOCK,
        "row": "row of the block on the lattice",
        "col": "column of the block on the lattice",
        "source": "imagery source that was judged; only in correctness_held_out.parquet",
        "fold": "number of the fifth that held the sample out, from 0",
        "reviewed": "class according to the review",
        "predicted": "class predicted while the sample was held out",
        "confidence": "probability of the predicted class, 0 to 1",
        "p_LABEL": "probability of each class, 0 to 1",
        "square": "square of the lattice that the spatial split held out as a whole",
    },
    "accuracy": {
        "split": "stratified and spatial, or elsewhere",
        "samples": "number of held-out samples, each held out once",
        "folds": "number of parts, held out one at a time",
        "square_blocks": "edge in blocks of the squares that are held out as a whole; 0 for the stratified split",
        "beside_share": "share of the held-out samples whose block, or a block next to it, was trained on",
        "accuracy": "share predicted correctly, 0 to 1",
        "accuracy_low": "lower end of its 95 % interval, widened by the design effect",
        "accuracy_high": "upper end of its 95 % interval",
        "design_effect": "factor by which similarity within the squares of the spatial split increases the variance; 1 "
        "for none; if all predictions are right or all wrong it is unknown, and the samples of a square count as equal",
        "commonest_share": "accuracy of always predicting the commonest class",
        "brier": "Brier score over all classes, 0 (best) to 2",
        "calibration_error": "expected calibration error, 0 (best) to 1",
    },
    "confusion": {
        "split": "stratified and spatial, or elsewhere",
        "reviewed": "class according to the review",
        "predicted": "class predicted while held out",
        "samples": "number of samples; 0 for a pair without any",
    },
    "calibration": {
        "split": "stratified and spatial, or elsewhere",
        "confidence_from": "lower end of the range of confidence",
        "confidence_to": "its upper end",
        "samples": "number of held-out samples in the range; ranges without any are left out",
        "confidence": "their mean confidence",
        "accuracy": "share of them predicted correctly",
    },
    "importance": {
        "kind": "feature (one column), sources (one feature of both sources) or group (a group of features)",
        "feature": "column, feature or group that was permuted",
        "group": "terrain, image, shape, consistency or correctness",
        "accuracy_lost": "mean accuracy lost on held-out samples of the spatial split if it is permuted",
        "standard_deviation": "standard deviation of the lost accuracy over the repeats",
        "repeats": "number of permutations",
    },
}
"""Tables of each decision, ``correctness_KIND`` and ``integration_KIND``, written only if a classifier decided and was measured.

``held_out`` is Parquet, the others are CSV.
"""

CORRECTNESS: Columns = {
    **BLOCK,
    "correctness_SOURCE": "class of the source's mask; null where it has no mask or nothing was measured",
    "correctness_confidence_SOURCE": "probability of the class, 0 to 1; null for rules",
    "correctness_reviewed_SOURCE": "class according to the review; null where it was not reviewed",
}
"""``correctness.parquet``, also in blocks.parquet. A reviewed block is decided without using its own review."""

INTEGRATION: Columns = {
    **BLOCK,
    "integration": "0 Neither, 1 Only A, 2 Only B, 3 Merge both; A and B are the sources in their order",
    "integration_label": "the same in words",
    "integration_confidence": "probability of the choice, 0 to 1; null for rules, overrides and blocks without any mask",
    "integration_reviewed": "choice according to the review; null where it was not reviewed",
    "override": "reason why the decision was overridden by hand; empty where it was not",
    "no_usable_imagery": "whether neither source is taken and every source was cloudy, snowy or had gaps, so that the map knows nothing there",
}
"""``integration.parquet``, also in blocks.parquet."""

OVERRIDDEN: Columns = {
    "override_author": "who overrode the decision; empty where it was not overridden",
    "override_date": "when, YYYY-MM-DD; empty where it was not overridden",
}
"""Further columns of ``integration.parquet``, if the overrides tell authors or dates."""

CORRECTED: Columns = {
    "feature": "number of the polygon in its file, from 1",
    "id": "digits that change with anything about the polygon, and with nothing else",
    "action": "add or remove",
    "author": "who decided it",
    "reason": "why",
    "date": "when; a later one wins over an earlier one where polygons overlap",
    "blocks": "number of blocks of the run that it touches",
    "added_km2": "land that became cropland by it, where no later polygon lies",
    "removed_km2": "cropland that it removed, where no later polygon lies",
}
"""``corrections.csv``: the corrections by hand, in the order in which they were applied.

In blocks.parquet, ``corrections`` has those that touch a block as JSON with their areas in it, and ``corrected_added_km2`` and
``corrected_removed_km2`` are the areas of all of them; the columns are null in other blocks.
"""

METHOD: Columns = {
    "method": "how the decision was made, in words; where rules decide in spite of reviews, with the figures of the trial",
    "accuracy": "accuracy of the stratified split, or of a classifier that the recipe names on the run's reviews and, without "
    "any, on the reviews that it was fitted to, by squares; null for rules",
    "held_out": "number of samples of that accuracy",
    "fitted": "number of samples that the final classifier was fitted to",
}
"""``correctness_method.csv`` and ``integration_method.csv``."""

TRIAL: Columns = {
    "against": "the simpler answer that the classifier is compared with: the commonest reviewed class, or the rules",
    "samples": "number of reviewed samples, each predicted by a classifier that was not fitted to its square of land",
    "squares": "number of squares of land that they lie in",
    "accuracy": "share that the classifier predicts correctly, 0 to 1",
    "other_accuracy": "share that the simpler answer gets right, 0 to 1",
    "difference": "accuracy minus other_accuracy",
    "low": "lower end of its 95 % interval from the means of subsets of the squares; null with too few squares for one",
    "high": "its upper end",
    "beaten": "whether the interval lies above 0",
}
"""``correctness_trial.csv`` and ``integration_trial.csv``, written if there are reviews of two classes.

A classifier fitted to the run's reviews decides only if every simpler answer is beaten; otherwise the rules do.
"""

REVIEWS: Columns = {
    **BLOCK,
    "correctness_SOURCE": "class of the source's mask according to the reference; empty without imagery",
    "integration": "choice that agrees best with the reference by intersection over union",
    "reviewer": "reference 'NAME'",
}
"""``reviews.csv``: the systematic sample labelled from the reference, if the recipe asks for it."""

FEATURES: Columns = {
    "column": "column of blocks.parquet",
    "name": "name of the feature",
    "group": "terrain, image, shape, consistency or correctness",
    "unit": "unit; 1 for none, class for a category",
    "source": "imagery source; empty for a feature of the block itself",
    "meaning": "what it measures",
    "judges": "whether it is one of the 16 features that decide the correctness of a source",
    "decides": "whether it is one of the 30 features that decide the integration",
}
"""``features.csv``: the features in blocks.parquet."""

BLOCKS: Columns = {
    **BLOCK,
    "row": "row of the block on the lattice, from 90 N southwards",
    "col": "column of the block on the lattice, from 180 W eastwards",
    "geometry": "outline of the block, EPSG:4326",
    "bbox": "box around it (xmin, ymin, xmax, ymax), by which readers of GeoParquet 1.1 skip rows",
    "block_km2": "area of the block, km2 on the ellipsoid",
    "adcode_LEVEL": "code of the admin unit of the level that holds the block; border where several share it, empty where none "
    "does",
    "status_STEP": "what became of the block in the step: done, no_imagery, failed, or missing where it is not finished",
    "valid_fraction_SOURCE": "share of the pixels where the source has imagery, 0 to 1",
    "coverage_confidence_SOURCE": "probability of the coverage type, 0 to 1; 1 where gaps make it Nodata, null without a model of coverage",
    "shift_rows_px": "move southwards that brings the second source's imagery onto the first's, px; null where it cannot be measured",
    "shift_cols_px": "the same eastwards",
    "taken_from_SOURCE": "first moment at which the imagery may have been taken, UTC; null where nothing tells",
    "taken_to_SOURCE": "last such moment",
    "renewed_SOURCE": "when the server of the tiles says that it changed one of them last, UTC: the imagery was taken before; null where it does not say",
    "known_MAP": "share of the pixels that the map knows, 0 to 1",
    "FEATURE_MAP": "a feature of shape, as of a source, of the integrated map or of a product",
    "regions_MAP": "number of 8-connected regions of cropland",
    "expected_error_MAP": "share that the mask is expected to get wrong where the two sources differ, by the mean of their scores, 0 to 1",
    "edge_density_MAP": "pixels at the edge of its cropland over all pixels of the block, 0 to 1",
    "tp_MAP_OTHER": "number of pixels that are cropland in the map and in the other one; pixels that one does not know count "
    "nowhere",
    "fp_MAP_OTHER": "number that are cropland in the map alone",
    "fn_MAP_OTHER": "number that are cropland in the other one alone",
    "tn_MAP_OTHER": "number that are cropland in neither",
}
"""``blocks.parquet``, one row per block, besides the features (`croplayer.measures.features`) and the decisions.

MAP is a source, ``merge_both``, ``croplayer`` (the integrated map), a product or the reference, OTHER a product or the reference.
"""

UNITS: Columns = {
    "adcode": "code of the admin unit",
    "name_en": "its name in English; the code where there is none",
    "name_zh": "its name in Chinese, if it has one",
    "land_km2": "area of its polygon, km2 on the ellipsoid",
    "in_run": "share of it that lies in the run's region, 0 to 1",
    "statistic_km2": "official area of its cropland; null without a row in the table of statistics",
    "statistic_year": "year that the statistics are of, where the recipe states it",
    "statistic_note": "the note of that row",
    "MAP_km2": "cropland of the map in it, km2 on the ellipsoid",
    "MAP_known": "share of its land that the map knows, 0 to 1",
    "MAP_percent": "MAP_km2 in per cent of the statistic; null where there is none, or the map knows less than 98 % of the unit",
    "MAP_within": "whether that is within the limit around 100 %; null where MAP_percent is",
}
"""``units_LEVEL.csv``; the columns about the statistic are in that of level 1, if the run has statistics."""

AGREEMENT: Columns = {
    "map": "name of the map",
    "against": "the product or reference that it is compared with",
    "tp": "number of pixels that are cropland in both",
    "fp": "number that are cropland in the map alone",
    "fn": "number that are cropland in the other one alone",
    "tn": "number that are cropland in neither",
    "iou": "tp / (tp + fp + fn)",
    "f1": "2 tp / (2 tp + fp + fn)",
    "precision": "tp / (tp + fp)",
    "recall": "tp / (tp + fn)",
    "overall_accuracy": "(tp + tn) / all four",
}
"""``agreement.csv``: over the pixels of all blocks that both maps know."""

PRODUCTS: Columns = {
    "product": "name of the product",
    "blocks": "number of blocks in which both the product and our map know some pixels",
    "area_km2": "the product's cropland on the ground that both know",
    "own_area_km2": "our map's cropland there",
    "deviation": "(area_km2 - own_area_km2) / own_area_km2",
    "area_fraction": "the product's share of cropland there, 0 to 1",
    "own_area_fraction": "our map's share",
    "edge_density": "mean of the product's edge_density over blocks that both know completely",
    "own_edge_density": "our map's",
}
"""``products.csv``."""

DEVIATION: Columns = {
    "product": "name of the product",
    "measure": "area_fraction or edge_density",
    "blocks": "number of blocks in which both the product and our map know some pixels; for edge_density 98 % of the pixels",
    "value": "the product's mean over these blocks, on the pixels that both know",
    "own_value": "our map's mean over the same",
    "deviation": "(value - own_value) / own_value; empty where own_value is 0",
    "deviation_q1": "lower quartile of the blocks' own deviations, over blocks where our value is above 0",
    "deviation_median": "their median",
    "deviation_q3": "their upper quartile",
}
"""``product_deviations.csv``."""

SLOPE: Columns = {
    **DEVIATION,
    "slope_from_deg": "median slope of the block above this",
    "slope_to_deg": "and up to this",
}
"""``product_slopes.csv``."""

DEFINITIONS: Columns = {
    "product": "name of the product",
    "year": "year that it shows; empty if not known",
    "crop_codes": "codes that count as cropland in this run; empty for a map in per cent",
    "paddy": "whether its cropland includes paddies: in, out, or empty if not stated",
    "orchard": "the same of orchards and other perennial woody crops",
    "greenhouse": "the same of greenhouses",
    "fallow": "the same of fallow and transitional land",
    "licence": "licence of the map",
    "source": "where it is published",
    "note": "what to know before comparing with it",
}
"""``definitions.csv``: what the products count as cropland."""

LEVELS: Columns = {
    "map": "name of the map: a source, merge_both, croplayer",
    KNOWN: "mean share of a block's pixels that the map knows",
    "iou": "intersection over union with the reference over the pixels of all blocks that the map knows",
    "iou_standard_error": "its standard error, with the blocks as clusters",
    "boundary_iou": "intersection over union of the bands of about 10 m inside the outlines",
    "f1": "harmonic mean of precision and recall",
    "true_correct_share": "share of the blocks whose mask is TP or TN according to the reference",
    "true_correct_blocks": "number of blocks in which this is known",
    "true_correct_design_effect": "factor by which similarity within squares of the lattice increases its variance",
    "correct_share": "share of the blocks whose mask is judged correct; a merged mask is if both sources' masks are; "
    "null for an integration by rules, which takes only masks that were judged correct",
    "correct_blocks": "number of judged blocks, without those in which the map takes neither source",
    "correct_design_effect": "factor by which similarity within squares of the lattice increases its variance",
    SOLIDITY_MEAN: "mean over the blocks of the mean solidity of their regions",
    EULER_MEAN: "mean over the blocks of the mean Euler number of their regions",
    "within": "number of provinces whose area is within the limit around the statistic",
    "compared": "number of provinces compared with a statistic",
    "median_percent": "median over the provinces of the mapped area in per cent of the statistic",
}
"""``levels.csv``: one row per map; columns about a reference or a statistic are written if the run has one."""

EVALUATED_BLOCKS: Columns = {
    **BLOCK,
    "row": BLOCKS["row"],
    "col": BLOCKS["col"],
    "FEATURE_merge_both": "shape features of the merged masks",
    "boundary_both_MAP": "number of pixels in the boundary bands of both map and reference",
    "boundary_any_MAP": "number of pixels in either band",
    "true_correctness_MAP": "class of the map's mask according to the reference; null where half the block is not known",
    "best_integration": "choice that agrees best with the reference by intersection over union",
}
"""``evaluated_blocks.parquet``: one row per block."""

PARCELS: Columns = {
    "map": "name of the map",
    "parcels": "number of reference parcels that the map knows completely",
    "left_out": "number of other parcels: they reach beyond the mapped blocks, or contain unknown pixels or no pixel centre",
    "missed_share": "share of the known parcels without a mapped region",
    "over": "over-segmentation of the other known parcels, 0 to 1, weighted by area",
    "under": "under-segmentation of the other known parcels, 0 to 1, weighted by area",
    "distance": "root mean square of the two, weighted by area",
}
"""``parcels.csv``; ``parcels.parquet`` has a row for each parcel and map."""

SAMPLE_AREAS: Columns = {
    "adcode": "code of the admin unit; empty for the whole map",
    "name_en": "its name",
    "points": "number of labelled points in it",
    "mapped_km2": "area of cropland on the map",
    "estimate_km2": "area of cropland estimated from the sample",
    "standard_error_km2": "its standard error; null if the sample is not a probability sample or its points all agree",
    "low_km2": "lower end of the interval; null without a standard error",
    "high_km2": "its upper end",
}
"""``sample_areas.csv``."""

SAMPLE_ACCURACY: Columns = {
    "measure": "overall accuracy, user's or producer's accuracy of cropland",
    "value": "its estimate, 0 to 1",
    "standard_error": "standard error of the estimate; null as in sample_areas.csv",
    "low": "lower end of its 95 % interval; null without a standard error",
    "high": "upper end",
}
"""``sample_accuracy.csv``."""
SAMPLE_NOTES: Columns = {
    "note": "in the first row how the areas were estimated, then what is to be known of the sample"
}
"""``sample_notes.csv``."""
PARCEL_SCORES: Columns = {
    "map": "name of the map",
    "parcel": "row of the reference parcel in its file, from 1",
    "area_ha": "its area, ha",
    "over": "over-segmentation, 0 to 1",
    "under": "under-segmentation, 0 to 1; null where no region overlaps the parcel",
    "distance": "root mean square of the two; null where no region overlaps the parcel",
    "missed": "whether no region overlaps the parcel",
}
"""``parcels.parquet``: the parcels that the map knows completely."""
COMPARED_BLOCKS: Columns = {
    **BLOCK,
    "row": BLOCKS["row"],
    "col": BLOCKS["col"],
    "known_MAP": BLOCKS["known_MAP"],
    "area_km2_MAP": "cropland of the map in the block, km2 on the ellipsoid",
    "area_fraction_MAP": "cropland pixels over the pixels that the map knows, 0 to 1; of a product of shares its mean share",
    "edge_density_MAP": BLOCKS["edge_density_MAP"],
    **{f"{part}_MAP_OTHER": BLOCKS[f"{part}_MAP_OTHER"] for part in ("tp", "fp", "fn", "tn")},
}
"""``compared_blocks.parquet``: the comparison with other maps alone, block by block; ``blocks.parquet`` holds the same columns."""
UNIT_OUTLINES: Columns = {
    "adcode": "code of the admin unit",
    "name_en": UNITS["name_en"],
    "name_zh": UNITS["name_zh"],
    "level": "level of the unit, from 0",
    "geometry": "its outline, EPSG:4326",
    "bbox": "box around it (xmin, ymin, xmax, ymax), by which readers of GeoParquet 1.1 skip rows",
}
"""``boundaries.parquet``, and ``units_LEVEL.parquet`` for each level."""
LEFT_OVER: Columns = {
    "adcode": "code of a row of the statistics that belongs to no unit of the run",
    "name_en": "its name",
    "cropland_kha": "its area of cropland, thousand ha",
}
"""``statistics_left_over.csv``."""
FIELD_UNITS: Columns = {
    "adcode": "code of the admin unit; null for what lies outside of all",
    "name": "its name",
    "fields": "number of its fields, which are those with their inner point in it",
    "area_ha": "sum of their areas, ha on the ellipsoid",
    "median_ha": "median of their areas; null without fields",
    "under_mu": "number of fields below 1 mu (1/15 ha)",
    "area_ha_SIZE": "area of the fields of a class of size, whose ends in ha are in the name",
    "mean_confidence": "mean of their confidences, 0 to 1; null where none is known",
    "confidence_TENTH": "number of fields with a confidence in that tenth, 0 for 0.0 to 0.1; 9 holds 1.0, too",
    "within_ha": "ground within the unit that is in fields, also in those of other units, pixel by pixel, ha; null where it is not known",
    "filtered_ha": "mapped cropland within the unit that is in no field because filters took it, pixel by pixel, ha; null where it is "
    "not known. With within_ha it is the cropland of the map in the unit",
}
"""``fields.csv``, with the largest area of fields first."""
FIELD_FIGURES: Columns = {
    "size": "all, or a class of size of the drawn fields",
    "measure": "what is measured; docs/fields.md defines each",
    "value": "its value; null where nothing tells",
    "low": "lower end of its 95 % interval from a bootstrap over squares of land; null for counts",
    "high": "upper end",
}
"""``field_figures.csv``, where a recipe names drawn fields."""
FIELD_RELIABILITY: Columns = {
    "confidence_from": "lower end of the range of confidence",
    "confidence_to": "its upper end",
    "cases": "number of fields in the range; ranges without any are left out",
    "confidence": "their mean confidence",
    "share": "share of them that match a drawn field at IoU 0.5",
    "low": "lower end of its 95 % interval, with squares of land as clusters",
    "high": "upper end",
}
"""``field_reliability.csv``: whether of fields with a confidence of 0.8 in fact 80 % match a drawn one."""
FIELD_WORST: Columns = {
    "row": "row of the lattice at which the window of the drawn field begins, px",
    "col": "column at which it begins",
    "height": "rows of the window, px",
    "width": "columns of the window, px",
    "area_ha": "area of the drawn field, ha",
    "iou": "its best IoU with a mapped field, 0 to 1",
}
"""``field_worst.csv``: the drawn fields that were mapped worst, which the report shows."""
FIELD_MATCHES: Columns = {
    "before_id": "id of the field in the earlier run; null for a new one",
    "after_id": "id that the field would have here by its own place; null for one that is gone",
    "kind": "same, changed, split, merged, reshaped, new or gone",
    "iou": "intersection over union of the two, 0 to 1; 0 for new and gone",
    "area_before_ha": "area in the earlier run, ha; null for new",
    "area_after_ha": "area here, ha; null for gone",
    "id": "id that the field takes here: that of the earlier run where it is the same; null for gone",
}
"""``field_matches.parquet``, where ``[fields] before`` names an earlier run."""

TABLES: Mapping[str, Columns] = {
    "correctness": CORRECTNESS,
    "integration": {**INTEGRATION, **OVERRIDDEN},
    "corrections": CORRECTED,
    "blocks": BLOCKS,
    "boundaries": UNIT_OUTLINES,
    "compared_blocks": COMPARED_BLOCKS,
    "agreement": AGREEMENT,
    "products": PRODUCTS,
    "units_LEVEL": {**UNITS, **UNIT_OUTLINES},
    "statistics_left_over": LEFT_OVER,
    "fields": FIELD_UNITS,
    "field_figures": FIELD_FIGURES,
    "field_reliability": FIELD_RELIABILITY,
    "field_worst": FIELD_WORST,
    "field_matches": FIELD_MATCHES,
    "reviews": REVIEWS,
    "features": FEATURES,
    "product_deviations": DEVIATION,
    "product_slopes": SLOPE,
    "definitions": DEFINITIONS,
    "levels": LEVELS,
    "evaluated_blocks": EVALUATED_BLOCKS,
    "parcels": {**PARCEL_SCORES, **PARCELS},
    "sample_areas": SAMPLE_AREAS,
    "sample_accuracy": SAMPLE_ACCURACY,
    "sample_notes": SAMPLE_NOTES,
    **{f"{decision}_method": METHOD for decision in ("correctness", "integration")},
    **{f"{decision}_trial": TRIAL for decision in ("correctness", "integration")},
    **{
        f"{decision}_{kind}": DECISION_TABLES[kind]
        for decision in ("correctness", "integration")
        for kind in DECISION_TABLES
    },
}
"""Columns of each table by the name of its file without ending, in which LEVEL stands for a number; of two files of one name both."""
_STANDS_FOR_NAMES = re.compile(r"[A-Z]{3,}")
_LEVEL = re.compile(r"_\d+$")


def words_of(table: str, columns: Iterable[str]) -> dict[str, str]:
    """Meanings of the columns of a table by their names, as far as they are declared; empty for another table."""
    declared = TABLES.get(table) or TABLES.get(_LEVEL.sub("_LEVEL", table), {})
    patterns = {re.compile(_STANDS_FOR_NAMES.sub(".+", name)): about for name, about in declared.items()}
    found: dict[str, str] = {}
    for column in columns:
        about = declared.get(column) or next((text for each, text in patterns.items() if each.fullmatch(column)), None)
        found |= {column: about} if about else {}
    return found
