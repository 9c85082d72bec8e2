"""The last part of the report: imagery, features and models in detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from croplayer.measures.features import IMAGE, PER_SOURCE, SHAPE, TERRAIN
from croplayer.models.bundles.card import validation_words
from croplayer.models.networks.manifest import Manifest
from croplayer.report.charts import curve_figure, share_figure
from croplayer.report.maps import UNIT_WORDS, class_figure, scene_figure, value_figure
from croplayer.report.page import Column, Gap, Part, Picture, Section, Table, number, table_of
from croplayer.report.style import COVERAGE_COLOURS
from croplayer.report.tables import ReportTables
from stores.columns import COVERAGE_TYPE, map_column
from stores.legends import CoverageType

GROUP = "Details"
Scene = tuple[str, np.ndarray, np.ndarray, np.ndarray]


def quality_section(results: ReportTables) -> Section:
    """Coverage types of the blocks, and their shares."""
    return Section(GROUP, "Image quality", coverage_parts(results), ["blocks.parquet"])


def coverage_parts(results: ReportTables) -> list[Part]:
    """Maps of the coverage type of each source, and its shares."""
    blocks = results.blocks
    columns = {map_column(COVERAGE_TYPE, s): s for s in results.sources}
    parts: list[Part] = []
    if not results.has_coverage_model:
        parts.append(Gap("No coverage classifier was used, so only Nodata is recognised, by counting gaps."))
    caption = (
        f"Coverage type of each block by source. A block is Nodata when it has no imagery, or when more than "
        f"{100 * results.nodata_above:.0f} % of its ground are gaps between imagery; the classifier decides the other types. "
        "Ground beyond the edge of the imagery is no gap. Non-planting is one of the signs by which masks are judged; it does not "
        "decide alone, so cropland may be mapped in such a block."
    )
    figure = class_figure(blocks, columns, COVERAGE_COLOURS)
    parts.append(Picture.of("coverage_type", "What the imagery shows", caption, figure))
    shares = pd.DataFrame({s: blocks[c].value_counts() / len(blocks) for c, s in columns.items()}).fillna(0.0).T
    shares = shares.reindex(columns=list(COVERAGE_COLOURS), fill_value=0.0)
    unusable = [c.label for c in CoverageType if not c.is_usable]
    bad = {s: float(blocks[c].isin(unusable).mean()) for c, s in columns.items()}
    text = ", ".join(f"{100 * share:.1f} % of {source}" for source, share in bad.items())
    if len(columns) == 2:
        both = float(blocks[list(columns)].isin(unusable).all(axis=1).mean())
        text += f"; {100 * both:.1f} % of the blocks in both sources, which remain so when each block takes the better source"
    caption = f"Blocks of poor imagery (clouds, snow, gaps; beside the gaps a block can be mapped): {text}."
    figure = share_figure(shares, COVERAGE_COLOURS)
    parts.append(Picture.of("coverage_shares", "How much imagery can be used", caption, figure))
    return parts


def feature_section(results: ReportTables) -> Section:
    """Block features as maps and as medians, and their definitions."""
    blocks = results.blocks
    measured = [f for f in TERRAIN if f.name in blocks and blocks[f.name].notna().any()]
    parts: list[Part] = []
    if measured:
        titles = {f.name: f.name.rpartition("_")[0] for f in measured}
        figure = value_figure(blocks, titles, {f.name: f.unit for f in measured})
        caption = "Medians of elevation, slope (Horn), ruggedness (Riley) and roughness in each block."
        parts.append(Picture.of("terrain", "Terrain of the blocks", caption, figure))
    else:
        parts.append(Gap("No elevation model was given: the terrain features are missing, not zero."))
    for source in results.sources:
        features = [f for f in PER_SOURCE if not f.categories and f.column(source) in blocks]
        titles = {f.column(source): f.name.replace("_", " ").removesuffix(" km2") for f in features}
        figure = value_figure(blocks, titles, {f.column(source): f.unit for f in features})
        caption = "Image quality, shape of the mask and agreement with the other source in each block."
        parts.append(Picture.of(f"features_{source}", f"Features of {source}", caption, figure))
    rows = []
    for feature in (*IMAGE, *SHAPE):
        if feature.categories:
            continue
        values = [
            blocks[feature.column(s)].astype(float).dropna().median() if feature.column(s) in blocks else None
            for s in results.sources
        ]
        rows.append([feature.meaning, UNIT_WORDS.get(feature.unit, feature.unit), *(number(v) for v in values)])
    parts.append(Table("Median over all blocks.", ["feature", "unit", *results.sources], rows))
    parts.append(feature_definitions(results))
    return Section(GROUP, "Block features", parts, ["blocks.parquet", "tables/features.csv"])


def feature_definitions(results: ReportTables) -> Part:
    """The features by group, with what they decide, or the gap."""
    declared = results.table("features")
    if declared is None:
        return Gap("The run did not write its table of features.")
    columns = [Column("column", "column"), Column("group", "group"), Column("unit", "unit", "text")]
    columns += [Column("source", "source", "text"), Column("meaning", "meaning", "text")]
    columns += [Column("judges", "used for correctness"), Column("decides", "used for integration")]
    shown = declared.assign(
        unit=[UNIT_WORDS.get(str(u), str(u)) for u in declared.unit], source=declared.source.fillna("")
    )
    return table_of(shown, "Definitions of the block features.", columns)


def model_section(
    manifests: Mapping[str, Manifest],
    digests: Mapping[str, str],
    curves: Mapping[str, pd.DataFrame],
    scenes: Sequence[Scene],
) -> Section:
    """The models used, their training data and their accuracy.

    Parameters
    ----------
    manifests, digests : by kind of model
    curves : training curves by kind of model, with the columns step and loss
    scenes : validation scenes as `scene_figure` takes them
    """
    parts: list[Part] = []
    for kind, manifest in manifests.items():
        parts.append(
            f"{kind.capitalize()}: {manifest.architecture} ({manifest.size}), digest {digests[kind][:12]}, trained on "
            f"{manifest.training_data}. Licence: {manifest.licence}."
        )
        parts += _metric_tables(kind, manifest)
    if "segmentation" not in manifests or "validation" not in manifests["segmentation"].metrics:
        parts.append(Gap("The model comes without a validation of its segmentation."))
    if curves:
        caption = "Loss of every step and its running mean."
        parts.append(Picture.of("training", "Training loss", caption, curve_figure(curves)))
    if scenes:
        caption = "Validation scenes, which were not used in training, from the worst to the best."
        parts.append(
            Picture.of("validation", "Predictions for scenes not used in training", caption, scene_figure(scenes))
        )
    return Section(GROUP, "Models", parts)


def _metric_tables(kind: str, manifest: Manifest) -> list[Table]:
    metrics = manifest.metrics
    if kind == "segmentation" and "validation" in metrics:
        return _validation_tables(metrics["validation"], len(metrics["training_scenes"]))
    if kind == "coverage" and "confusion_rows_truth" in metrics:
        rows = [
            [label, *(number(int(n)) for n in row)]
            for label, row in zip(manifest.classes, metrics["confusion_rows_truth"], strict=True)
        ]
        caption = (
            f"Coverage type on {metrics['n_validation']} samples held out of training ({metrics['split']}): rows are true, "
            f"columns are predicted. Accuracy {metrics['accuracy']:.3f}."
        )
        origins = [[k, ", ".join(f"{n} {o}" for o, n in v.items())] for k, v in metrics["samples_by_origin"].items()]
        return [
            Table(caption, ["", *manifest.classes], rows),
            Table("Origin of the samples of each type.", ["type", "samples"], origins),
        ]
    return []


def _validation_tables(validation: Mapping[str, Any], training_scenes: int) -> list[Table]:
    """The network and the constant answers on whole scenes: all together and by scene."""
    figures = {"iou": "IoU", "boundary_iou": "boundary IoU", "f1": "F1", "accuracy": "pixel accuracy"}
    answers = {
        "pooled": "the model",
        "all_field": "constant answer: all field",
        "no_field": "constant answer: no field",
    }
    pooled = [[title, *(number(validation[key].get(figure)) for figure in figures)] for key, title in answers.items()]
    scenes = [
        [name, number(scene["ground_sample_distance_m"]), *(number(scene.get(figure)) for figure in figures)]
        for name, scene in sorted(validation["by_scene"].items(), key=lambda item: item[1]["iou"] or 0.0)
    ]
    caption = (
        f"Segmentation of {len(scenes)} scenes; the weights were trained on {training_scenes} scenes. "
        f"{validation_words(validation)}"
    )
    return [
        Table(caption, ["answer", *figures.values()], pooled),
        Table("The same by scene, worst first.", ["scene", "pixel, m", *figures.values()], scenes),
    ]
