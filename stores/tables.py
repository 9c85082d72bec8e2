"""Columns of the tables in ``tables/`` of a run's folder: what each number means.

CSV are UTF-8 with 8 significant digits, Parquet are zstd; an empty field or null is "not known".
"""

from __future__ import annotations

from collections.abc import Mapping

Columns = Mapping[str, str]
"""Meaning of every column by its name; a name in capitals stands for many."""

BLOCK = {"block": "name of the block, rROWcCOL"}

DECISION_TABLES: Mapping[str, Columns] = {
    "held_out": {
        "split": "stratified (a fifth of every class at random) or spatial (a fifth of the squares)",
        **BLOCK,
        "row": "row of the block on the lattice",
        "col": "column of the block on the lattice",
        "source": "imagery source that was judged; only in correctness_held_out.parquet",
        "fold": "which of the five fifths held the sample out, from 0",
        "reviewed": "class that the review gave",
        "predicted": "class predicted while the sample was held out",
        "confidence": "probability of the predicted class, 0 to 1",
        "p_LABEL": "probability of each class, 0 to 1",
        "square": "square of the lattice that the spatial split held out as a whole",
    },
    "accuracy": {
        "split": "stratified or spatial",
        "samples": "held-out samples: every one once",
        "folds": "parts of which one at a time was held out",
        "square_blocks": "edge in blocks of the squares held out as a whole; 0 for the stratified split",
        "beside_share": "share of the held-out samples whose block, or one sharing an edge with it, was learned from",
        "accuracy": "share predicted right, 0 to 1",
        "accuracy_low": "lower end of its 95 % interval, widened by the design effect",
        "accuracy_high": "upper end of its 95 % interval",
        "design_effect": "by how much likeness within the spatial split's squares widens the variance; 1 for none; "
        "with all right or all wrong it cannot be told, and the samples of a square count as all alike",
        "commonest_share": "accuracy of always saying the commonest class",
        "brier": "Brier score over all classes, 0 (best) to 2",
        "calibration_error": "expected calibration error, 0 (best) to 1",
    },
    "confusion": {
        "split": "stratified or spatial",
        "reviewed": "class that the review gave",
        "predicted": "class predicted while held out",
        "samples": "number of samples; pairs without any are there with 0",
    },
    "calibration": {
        "split": "stratified or spatial",
        "confidence_from": "lower end of the range of confidence",
        "confidence_to": "its upper end",
        "samples": "held-out samples in the range; ranges without any are left out",
        "confidence": "their mean confidence",
        "accuracy": "share of them predicted right",
    },
    "importance": {
        "kind": "feature (one column), sources (one feature of both sources) or group (a group of features)",
        "feature": "column, feature or group that was permuted",
        "group": "terrain, image, shape, consistency or correctness",
        "accuracy_lost": "mean accuracy lost on held-out samples of the spatial split when it is permuted",
        "standard_deviation": "of that over the repeats",
        "repeats": "number of permutations",
    },
}
"""Tables of each decision, ``correctness_KIND`` and ``integration_KIND``: there only where a classifier decided.

``held_out`` is Parquet, the others are CSV.
"""

CORRECTNESS: Columns = {
    **BLOCK,
    "correctness_SOURCE": "class of the source's mask; null where it has no mask or nothing was measured",
    "correctness_confidence_SOURCE": "its probability, 0 to 1; null for rules",
    "correctness_reviewed_SOURCE": "what the review said; null where it was not reviewed",
}
"""``correctness.parquet``, also in blocks.parquet. A reviewed block is decided without its own review."""

INTEGRATION: Columns = {
    **BLOCK,
    "integration": "0 Neither, 1 Only A, 2 Only B, 3 Merge both; A and B are the sources in their order",
    "integration_label": "the same in words",
    "integration_confidence": "probability of the choice, 0 to 1; null for rules, overrides and without any mask",
    "integration_reviewed": "what the review said; null where it was not reviewed",
    "override": "reason why the decision was overridden by hand; empty where it was not",
    "no_usable_imagery": "whether every source was cloudy, snowy or missing there",
}
"""``integration.parquet``, also in blocks.parquet."""

METHOD: Columns = {
    "method": "how the decision was made, in words",
    "accuracy": "of the stratified split; null for rules",
    "held_out": "number of held-out samples",
    "fitted": "number of samples of the final fit",
}
"""``correctness_method.csv`` and ``integration_method.csv``."""

REVIEWS: Columns = {
    **BLOCK,
    "correctness_SOURCE": "class of the source's mask by the reference; empty without imagery",
    "integration": "choice that comes nearest to the reference by intersection over union",
    "reviewer": "reference 'NAME'",
}
"""``reviews.csv``: the systematic sample labelled from the reference, where the recipe asks for it."""

FEATURES: Columns = {
    "column": "column of blocks.parquet",
    "name": "name of the feature",
    "group": "terrain, image, shape, consistency or correctness",
    "unit": "unit; 1 for none, class for a category",
    "source": "imagery source; empty where all share it",
    "meaning": "what it measures",
    "judges": "whether it is among the 16 that judge a source",
    "decides": "whether it is among the 30 that decide the integration",
}
"""``features.csv``: the declared features of blocks.parquet."""

DEVIATION: Columns = {
    "product": "name of the product",
    "measure": "area_fraction or edge_density",
    "blocks": "blocks of which both the product and our map know something; for edge_density 98 % of the pixels",
    "value": "the product's mean over them, on the ground that both know",
    "own_value": "our map's mean",
    "deviation": "(value - own_value) / own_value; empty where our map has none",
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
    "year": "year it shows; empty where not known",
    "crop_codes": "codes that count as cropland in this run; empty for a map of per cent",
    "paddy": "whether its cropland holds paddies: in, out, empty for not stated",
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
    "known": "mean share of the blocks that the map knows",
    "iou": "intersection over union with the reference where the map knows the ground, all blocks together",
    "iou_standard_error": "its standard error, the blocks as clusters",
    "boundary_iou": "intersection over union of the bands of about 10 m inside the outlines",
    "f1": "harmonic mean of precision and recall",
    "true_correct_share": "share of the blocks whose mask is TP or TN by the reference",
    "true_correct_blocks": "blocks of which that is known",
    "true_correct_design_effect": "by how much likeness within squares of the lattice widens that share's variance",
    "correct_share": "share of the blocks whose mask is judged correct; merged masks are when both sources' are; "
    "null for an integration by rules, which takes only what was judged correct",
    "correct_blocks": "blocks that were judged; not those in which the map takes neither source",
    "correct_design_effect": "by how much likeness within squares of the lattice widens that share's variance",
    "solidity_mean": "mean over the blocks of the mean solidity of their regions",
    "euler_mean": "mean over the blocks of the mean Euler number of their regions",
    "within": "provinces within the limit of the statistic",
    "compared": "provinces compared with a statistic",
    "median_percent": "median over the provinces of the mapped area in per cent of the statistic",
}
"""``levels.csv``: one row per map; columns about a reference or a statistic are there where the run has one."""

EVALUATED_BLOCKS: Columns = {
    **BLOCK,
    "FEATURE_merge_both": "shape features of both masks merged",
    "boundary_both_MAP": "pixels in the bands of map and reference",
    "boundary_any_MAP": "pixels in either band",
    "true_correctness_MAP": "what the map's mask is worth by the reference; null where half the block is not known",
    "best_integration": "the choice nearest to the reference by IoU",
}
"""``evaluated_blocks.parquet``: one row per block."""

PARCELS: Columns = {
    "map": "name of the map",
    "parcels": "reference parcels that the map knows as a whole",
    "left_out": "those that it does not: they reach beyond the mapped blocks, hold unknown pixels or the centre of none",
    "missed_share": "share of them without a mapped region",
    "over": "over-segmentation of the others, 0 to 1, weighted by area",
    "under": "under-segmentation of the others, 0 to 1, weighted by area",
    "distance": "root mean square of the two, weighted by area",
}
"""``parcels.csv``; ``parcels.parquet`` has a row for each parcel and map."""

SAMPLE_AREAS: Columns = {
    "adcode": "code of the admin unit; empty for all that is mapped",
    "name_en": "its name",
    "points": "labelled points in it",
    "mapped_km2": "cropland counted on the map",
    "estimate_km2": "cropland estimated from the sample",
    "standard_error_km2": "its standard error; null when the sample is no probability sample or its points show no spread",
    "low_km2": "lower end of the interval; null without a standard error",
    "high_km2": "its upper end",
}
"""``sample_areas.csv``; ``sample_accuracy.csv`` has measures with the same ends, ``sample_notes.csv`` the method first."""
