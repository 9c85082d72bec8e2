"""Other products compared with our map: agreement, area, edges, slope, example windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from croplayer.evaluation.interval import Estimate
from croplayer.evaluation.levels import iou_estimate
from croplayer.report.charts import Bar, bar_figure, bar_panels, fraction_figure, slope_figure
from croplayer.report.maps import Panels, local_figure, value_figure
from croplayer.report.page import Column, Gap, Part, Picture, Section, table_of
from croplayer.report.tables import ReportTables
from stores.columns import AREA_FRACTION, AREA_KM2, agreement_columns, map_column
from stores.legends import INTEGRATED

GROUP = "Evaluation"


def products_section(results: ReportTables, places: Sequence[tuple[str, Panels]]) -> Section:
    """The comparison of other products with our map.

    Parameters
    ----------
    places : title and panels of each small window of imagery and maps
    """
    if not results.products:
        return Section(GROUP, "Other products", [Gap("No other product was given.")])
    parts: list[Part] = ["Agreement with another product is not accuracy: where two maps differ, either may be right."]
    parts += agreement_parts(results)
    parts += _density_parts(results)
    parts += _slope_parts(results)
    if places:
        caption = (
            "Windows from the block where the products agree best with our map to the block where they agree least."
        )
        figure = local_figure(places)
        parts.append(Picture.of("places", "The same places in imagery and maps", caption, figure))
    else:
        parts.append(Gap("No block has both our map and a product, so no place can be shown."))
    files = [
        f"tables/{name}.csv"
        for name in ("agreement", "products", "product_deviations", "product_slopes", "definitions")
    ]
    return Section(GROUP, "Other products", [*parts, *_definition_parts(results)], files)


def _definition_parts(results: ReportTables) -> list[Part]:
    definitions = results.table("definitions")
    if definitions is None:
        return [Gap("The run did not write the definitions of its products.")]
    shown = results.titled(definitions.fillna("").astype(str), ["product"]).replace("", "not stated")
    shown = shown.assign(year=[str(y).removesuffix(".0") for y in shown.year])
    columns = [Column("product", "product"), Column("year", "year"), Column("crop_codes", "cropland codes")]
    columns += [Column(kind, kind) for kind in ("paddy", "orchard", "greenhouse", "fallow")]
    columns += [Column("licence", "licence"), Column("note", "note")]
    caption = "What each product counts as cropland: in, out, or not stated by its authors."
    return [table_of(shown, caption, columns)]


def product_only_section(results: ReportTables, notes: Sequence[str]) -> Section:
    """Products alone, for a run without imagery; ``notes`` are paragraphs above the figure."""
    columns = {
        map_column(AREA_FRACTION, name): results.titles[name]
        for name in results.products
        if map_column(AREA_FRACTION, name) in results.blocks
    }
    if not columns:
        return Section("The map", "Products", [Gap("No product covers the region.")])
    figure = value_figure(results.blocks, columns, {})
    return Section(
        "The map",
        "Products",
        [
            *notes,
            Picture.of("products", "Cropland share of each block", "Cropland share according to each product.", figure),
        ],
    )


def agreement_parts(results: ReportTables) -> list[Part]:
    """IoU of each product with our map as bars, and the agreement of all maps as a table, or the gap."""
    agreement = results.table("agreement")
    own = (
        None
        if agreement is None
        else agreement[(agreement["map"] == INTEGRATED) & agreement.against.isin(results.products)]
    )
    if agreement is None or own is None or own.empty:
        return [Gap("No product with classes was given, so the agreement of pixels is not known.")]
    rows = []
    for name in own.sort_values("iou", ascending=False).against:
        known = agreement_columns(INTEGRATED, name).tp in results.blocks
        estimate = iou_estimate(results.blocks, INTEGRATED, name) if known else Estimate(np.nan, np.nan)
        rows.append(Bar(results.titles[name], estimate.value, results.colours[name], *estimate.interval()))
    caption = "Intersection over union of cropland over all blocks. Lines are 95 % intervals with blocks as clusters."
    columns = [Column("map", "map"), Column("against", "against"), Column("iou", "IoU"), Column("f1", "F1")]
    columns += [
        Column("precision", "precision"),
        Column("recall", "recall"),
        Column("overall_accuracy", "overall accuracy"),
    ]
    # Our maps against the reference are among the three levels.
    own_level = (agreement.against == results.reference) & agreement["map"].isin(results.maps)
    shown = results.titled(agreement[~own_level], ["map", "against"])
    return [
        Picture.of("product_iou", "Agreement of each product with our map", caption, bar_figure(rows, "IoU")),
        table_of(shown, "Agreement of maps over the pixels where both have data.", columns),
    ]


def _density_parts(results: ReportTables) -> list[Part]:
    products = results.table("products")
    if products is None:
        return [Gap("No block has both our map and a product.")]
    deviations = results.table("product_deviations")
    if deviations is None:
        return [Gap("The run did not write the deviations of its products.")]
    blocks = results.blocks
    panels: dict[str, list[Bar]] = {}
    for measure, title in ((AREA_FRACTION, "cropland share"), ("edge_density", "edge density")):
        own = map_column(measure, INTEGRATED)
        mean = float(blocks[own].mean()) if own in blocks else np.nan
        rows = deviations[deviations.measure == measure].set_index("product").reindex(results.products)
        label = "integrated map"
        panels[title] = [Bar(label, mean, results.colours[INTEGRATED])]
        panels[f"deviation of {title}, %"] = [Bar(label, 0.0, results.colours[INTEGRATED], text="0")]
        for name, row in rows.iterrows():
            known = results.titles[str(name)], results.colours[str(name)]
            panels[title].append(Bar(known[0], float(row.value), known[1]))
            panels[f"deviation of {title}, %"].append(Bar(known[0], 100 * float(row.deviation), known[1]))
    caption = (
        "Mean share of cropland pixels, and mean share of cropland pixels on an outline, at the pixel size of our map. "
        "Deviations are (product - ours) / ours, where both have data."
    )
    figure = bar_panels(panels, [("area", 2), ("edges", 2)])
    columns = [Column("product", "product"), Column("blocks", "blocks"), Column(AREA_KM2, "product, km²")]
    columns += [Column("own_area_km2", "ours, km²"), Column("deviation", "deviation", "share")]
    columns += [Column(AREA_FRACTION, "product's share"), Column("own_area_fraction", "our share")]
    columns += [Column("edge_density", "product's edge density"), Column("own_edge_density", "our edge density")]
    titles = {n: results.titles[n] for n in products["product"]}
    scatter = fraction_figure(blocks, INTEGRATED, titles, results.colours)
    return [
        Picture.of("area_and_edges", "Cropland share and edge density of the products", caption, figure),
        Picture.of(
            "area_fraction",
            "Cropland share block by block",
            "On the line, a product has the same share as our map.",
            scatter,
        ),
        table_of(
            results.titled(products, ["product"]), "Products compared with our map where both have data.", columns
        ),
    ]


def _slope_parts(results: ReportTables) -> list[Part]:
    slopes = results.table("product_slopes")
    if slopes is None or not (slopes.blocks > 0).any():
        return [Gap("No elevation model was given, so deviations are not known by slope.")]
    caption = (
        "Deviation of the mean cropland share of each product from ours; blocks are grouped by their median slope."
    )
    figure = slope_figure(slopes[slopes.measure == AREA_FRACTION], results.titles, results.colours)
    return [Picture.of("slope", "Deviation of the products by slope", caption, figure)]
