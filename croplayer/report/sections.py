"""Sections of the report from the tables of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from croplayer.evaluation.provinces import count_within
from croplayer.features import IMAGE, PER_SOURCE, SHAPE, TERRAIN
from croplayer.grid import Bounds
from croplayer.models.manifest import Manifest
from croplayer.report.charts import agreement_figure, curve_figure, fraction_figure, statistic_figure
from croplayer.report.maps import Panels, class_figure, picture_figure, scene_figure, value_figure
from croplayer.report.page import Picture, Section, Table, number, table_of
from croplayer.report.style import CORRECTNESS_COLOURS, COVERAGE_COLOURS, INTEGRATION_COLOURS, png_bytes

Scene = tuple[str, np.ndarray, np.ndarray, np.ndarray]


def map_section(rows: Sequence[Panels], bounds: Bounds, part: str) -> Section:
    """Imagery of the sources, their masks and the integrated map."""
    caption = f"Imagery of each source above, cropland in each source and in the integrated map below. {part}"
    return Section("The map", pictures=[Picture("map", caption, png_bytes(picture_figure(rows, bounds)))])


def quality_section(blocks: pd.DataFrame, sources: Sequence[str], nodata_above: float, classified: bool) -> Section:
    """Coverage types."""
    columns = {f"coverage_type_{s}": s for s in sources}
    gaps = []
    if not classified:
        gaps.append("No coverage classifier was used: only Nodata, counted from missing pixels, is told apart.")
    figure = class_figure(blocks, columns, COVERAGE_COLOURS)
    caption = (
        f"Coverage type of each block by source. Nodata is counted: more than {100 * nodata_above:.0f} % of the pixels "
        "without imagery; the other types are the classifier's."
    )
    return Section("Image quality", pictures=[Picture("coverage_type", caption, png_bytes(figure))], gaps=gaps)


def feature_section(blocks: pd.DataFrame, sources: Sequence[str]) -> Section:
    """Block features as maps and as medians."""
    measured = [f for f in TERRAIN if f.name in blocks and blocks[f.name].notna().any()]
    pictures = []
    if measured:
        figure = value_figure(
            blocks, {f.name: f.name.rpartition("_")[0] for f in measured}, {f.name: f.unit for f in measured}
        )
        pictures.append(
            Picture(
                "terrain",
                "Terrain of each block: medians of elevation, slope (Horn), ruggedness (Riley) and roughness.",
                png_bytes(figure),
            )
        )
    for source in sources:
        features = [f for f in PER_SOURCE if not f.categories and f.column(source) in blocks]
        figure = value_figure(
            blocks,
            {f.column(source): f.name.replace("_", " ") for f in features},
            {f.column(source): f.unit for f in features},
        )
        pictures.append(
            Picture(f"features_{source}", f"Features of source {source}, block by block.", png_bytes(figure))
        )
    rows = []
    for feature in (*IMAGE, *SHAPE):
        if feature.categories:
            continue
        values = [blocks[feature.column(s)].astype(float).median() for s in sources if feature.column(s) in blocks]
        rows.append([feature.meaning, feature.unit, *(number(float(v)) for v in values)])
    table = Table("Median over all blocks.", ["feature", "unit", *sources], rows)
    gaps = [] if measured else ["No elevation model was given: the terrain features are missing, not zero."]
    return Section("Block features", pictures=pictures, tables=[table], gaps=gaps)


def decision_section(
    blocks: pd.DataFrame, sources: Sequence[str], methods: Mapping[str, pd.Series], letters: Mapping[str, str]
) -> Section:
    """Semantic correctness and integration, with how they were decided."""
    correctness = class_figure(blocks, {f"correctness_{s}": s for s in sources}, CORRECTNESS_COLOURS)
    integration = class_figure(blocks, {"integration_label": "integration"}, INTEGRATION_COLOURS)
    named = ", ".join(f"{letter} is {source}" for letter, source in letters.items())
    text, gaps = [], []
    for name, method in methods.items():
        text.append(f"{name.capitalize()} was decided by {method.method}.")
        if pd.isna(method.accuracy):
            gaps.append(
                f"{name.capitalize()} comes from plain rules, not from a classifier: no reviewed samples were given, "
                "so how often it is right is not known."
            )
        else:
            text.append(
                f"Accuracy on {int(method.held_out)} held-out samples: {100 * method.accuracy:.1f} % "
                f"(fitted on {int(method.fitted)})."
            )
    overridden = int((blocks.override.fillna("") != "").sum())
    text.append(f"{overridden} blocks were overridden by hand.")
    return Section(
        "Decisions",
        text=text,
        pictures=[
            Picture("correctness", "Semantic correctness of each source's mask.", png_bytes(correctness)),
            Picture("integration", f"Which source the map takes; {named}.", png_bytes(integration)),
        ],
        gaps=gaps,
    )


def comparison_section(
    blocks: pd.DataFrame,
    agreement: pd.DataFrame | None,
    products: pd.DataFrame | None,
    titles: Mapping[str, str],
    notes: Sequence[str],
    own: str,
    reference: str | None,
) -> Section:
    """Agreement with products and a reference."""
    pictures, tables, gaps = [], [], []
    if agreement is not None and len(agreement):
        caption = "Agreement pixel by pixel."
        if reference:
            caption += f" '{reference}' is the reference: {titles[reference]}."
        pictures.append(Picture("agreement", caption, png_bytes(agreement_figure(agreement))))
        tables.append(
            table_of(
                agreement, "Agreement of maps, over pixels that both know.",
                {"map": "map", "against": "against", "iou": "IoU", "f1": "F1", "precision": "precision",
                 "recall": "recall", "overall_accuracy": "overall accuracy"},
            )
        )  # fmt: skip
    else:
        gaps.append("No product or reference of classes was given, so pixel agreement is not known.")
    if products is not None and len(products):
        shown = {n: titles[n] for n in products["product"]}
        pictures.append(
            Picture("area_fraction", "Area fraction block by block.", png_bytes(fraction_figure(blocks, own, shown)))
        )
        tables.append(
            table_of(
                products.assign(product=[titles[n] for n in products["product"]]),
                "Products beside our map, over the blocks that both cover. Deviation is (product - ours) / ours.",
                {"product": "product", "blocks": "blocks", "area_km2": "product km²", "own_area_km2": "our km²",
                 "deviation": "deviation", "area_fraction": "product AF", "own_area_fraction": "our AF",
                 "edge_density": "product ED", "own_edge_density": "our ED"},
            )
        )  # fmt: skip
    return Section("Comparison", text=list(notes), pictures=pictures, tables=tables, gaps=gaps)


def unit_section(
    units: pd.DataFrame, level: int, maps: Sequence[str], titles: Mapping[str, str], within: float | None
) -> Section:
    """Areas by admin unit, against the statistics where there are some."""
    header = {
        "name_en": "unit",
        "name_zh": "名称",
        "adcode": "code",
        "land_km2": "land km²",
        "mapped_share": "mapped share",
    }
    header |= {f"{m}_km2": f"{titles.get(m, m)} km²" for m in maps}
    pictures, text, gaps = [], [], []
    if within is not None:
        header |= {"statistic_km2": "statistic km²"}
        header |= {f"{m}_percent": f"{titles.get(m, m)} %" for m in maps} | {
            f"{m}_within": f"{titles.get(m, m)} within" for m in maps
        }
        header |= {"statistic_note": "note"}
        for name in maps:
            good, compared = count_within(units, name)
            text.append(
                f"{titles.get(name, name)}: {good} of {compared} units within {100 * within:.0f} % of the statistic."
            )
        figure = statistic_figure(units, maps, within)
        if figure is None:
            gaps.append("No unit with a statistic is mapped as a whole, so no percentage can be given.")
        else:
            caption = f"Mapped area as a percentage of the statistic; the band is ±{100 * within:.0f} %."
            pictures.append(Picture(f"units_{level}", caption, png_bytes(figure)))
    caption = "Cropland by admin unit, summed to the pixel on the ellipsoid. A dash is not known or not comparable."
    return Section(
        "Provinces" if level == 1 else f"Admin units of level {level}",
        text=text, pictures=pictures, tables=[table_of(units, caption, header, 4)], gaps=gaps,
    )  # fmt: skip


def model_section(
    manifests: Mapping[str, Manifest],
    digests: Mapping[str, str],
    curves: Mapping[str, pd.DataFrame],
    scenes: Sequence[Scene],
) -> Section:
    """Which models were used, on what they were trained, what they are worth."""
    tables, text, pictures = [], [], []
    for kind, manifest in manifests.items():
        text.append(
            f"{kind.capitalize()}: {manifest.architecture} ({manifest.size}), digest {digests[kind][:12]}, trained on "
            f"{manifest.training_data}. Licence: {manifest.licence}."
        )
        tables += _metric_tables(kind, manifest)
    if curves:
        pictures.append(Picture("training", "Training loss.", png_bytes(curve_figure(curves))))
    if scenes:
        caption = "Validation scenes, which the training never saw, from the worst to the best."
        pictures.append(Picture("validation", caption, png_bytes(scene_figure(scenes))))
    return Section("Models", text=text, pictures=pictures, tables=tables)


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
            f"Coverage type on {metrics['n_validation']} samples kept from training ({metrics['split']}): rows true, "
            f"columns predicted. Accuracy {metrics['accuracy']:.3f}."
        )
        origins = [[k, ", ".join(f"{n} {o}" for o, n in v.items())] for k, v in metrics["samples_by_origin"].items()]
        return [
            Table(caption, ["", *manifest.classes], rows),
            Table("Where the samples of each type come from.", ["type", "samples"], origins),
        ]
    return []


def _validation_tables(validation: Mapping[str, Any], training_scenes: int) -> list[Table]:
    """The network and the constant answers on whole scenes, pooled and by scene."""
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
    caption = f"Segmentation on {len(scenes)} scenes kept from training (split {validation['split']}; {training_scenes} trained)."
    return [
        Table(caption, ["answer", *figures.values()], pooled),
        Table("The same by scene, worst first.", ["scene", "pixel m", *figures.values()], scenes),
    ]
