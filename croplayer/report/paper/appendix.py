"""The appendix with every figure and table of the paper that the run can show, and what is missing and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from croplayer.report.page import Gap, Part, Picture, Table, page_environment
from croplayer.report.paper.block_maps import imagery_parts
from croplayer.report.paper.block_maps import slope_parts as slope_map_parts
from croplayer.report.paper.catalogue import EXHIBITS, Exhibit
from croplayer.report.paper.definitions import coverage_table, definition_parts, integration_table, product_table
from croplayer.report.paper.deviations import deviation_parts, slope_parts
from croplayer.report.paper.evidence import MAPS_NOTHING, NO_CLASSES, Evidence
from croplayer.report.paper.examples import coverage_parts as example_parts
from croplayer.report.paper.examples import land_parts
from croplayer.report.paper.flow import flow_parts
from croplayer.report.paper.percentages import distribution_parts, percentage_parts
from croplayer.report.paper.samples import density_parts, labelled_parts
from croplayer.report.paper.unit_levels import unit_level_parts
from croplayer.report.sections_comparison import comparison_section
from croplayer.report.sections_decisions import correctness_picture, importance_parts, integration_picture
from croplayer.report.sections_details import coverage_parts, feature_definitions
from croplayer.report.sections_map import share_picture
from croplayer.report.sections_products import agreement_parts
from croplayer.report.tables import ReportTables

NUMBER = re.compile(r"(-?[\d.,]+( ?(%|m|km²))?)?|–")
"""A cell that holds a number with its unit, or none."""


@dataclass(frozen=True)
class Shown:
    """A figure or table of the paper in this run, or why it is missing."""

    exhibit: Exhibit
    parts: Sequence[Part]

    @property
    def is_there(self) -> bool:
        """Whether the run shows it."""
        return any(isinstance(part, Picture | Table) for part in self.parts)

    @property
    def reason(self) -> str:
        """Why it, or a part of it, is missing; empty for nothing."""
        return " ".join(part.text for part in self.parts if isinstance(part, Gap))

    @property
    def anchor(self) -> str:
        """Its place on the page, such as "fig-12"."""
        return self.exhibit.number.lower().replace(". ", "-").replace(" ", "-")

    @property
    def pictures(self) -> list[tuple[str, Picture]]:
        """Its pictures with the names of their files, without suffix."""
        found = [part for part in self.parts if isinstance(part, Picture)]
        return [(f"{self.anchor.replace('-', '_')}_{part.name}", part) for part in found]


@dataclass(frozen=True)
class Appendix:
    """The page."""

    title: str
    facts: Sequence[tuple[str, str]]
    shown: Sequence[Shown]
    beside: Sequence[Part]
    """What the paper has no figure of: the evaluation by unit"""

    @property
    def files(self) -> Iterator[tuple[str, Picture]]:
        """Every picture with the name of its files, without suffix."""
        for shown in self.shown:
            yield from shown.pictures
        yield from ((f"beside_{part.name}", part) for part in self.beside if isinstance(part, Picture))

    def to_html(self) -> str:
        """The page as one HTML file with its pictures embedded; the files of the figures lie in ``figures`` beside it."""
        environment = page_environment()
        environment.filters["texts"] = texts_of
        names = {picture.name: name for name, picture in self.files}
        return environment.get_template("paper.html").render(page=self, names=names)


def appendix_of(evidence: Evidence, title: str, facts: Sequence[tuple[str, str]]) -> Appendix:
    """Draw everything that the run has the data for."""
    makers = _makers()
    shown = [Shown(exhibit, makers[exhibit.number](evidence)) for exhibit in EXHIBITS]
    return Appendix(title, facts, shown, unit_level_parts(evidence))


def _makers() -> Mapping[str, Callable[[Evidence], Sequence[Part]]]:
    """What draws each figure and table."""
    return {
        "Table 1": coverage_table,
        "Table 2": land_parts,
        "Table 3": product_table,
        "Table 4": integration_table,
        "Table 5": partial(_of_map, lambda results: [feature_definitions(results)]),
        "Table 6": _network_parts,
        "Fig. 1": slope_map_parts,
        "Fig. 2": example_parts,
        "Fig. 3": labelled_parts,
        "Fig. 4": definition_parts,
        "Fig. 5": flow_parts,
        "Fig. 6": partial(_of_map, coverage_parts),
        "Fig. 7": imagery_parts,
        "Fig. 8": density_parts,
        "Fig. 9": partial(_of_map, lambda results: [correctness_picture(results)]),
        "Fig. 10": partial(_of_map, lambda results: [integration_picture(results)]),
        "Fig. 11": partial(_of_map, _both_importances),
        "Fig. 12": percentage_parts,
        "Fig. 13": partial(_of_map, _agreement),
        "Fig. 14": deviation_parts,
        "Fig. 15": slope_parts,
        "Fig. 16": distribution_parts,
        "Fig. 17": partial(_of_map, lambda results: [share_picture(results)]),
    }  # fmt: skip


def _of_map(make: Callable[[ReportTables], Sequence[Part]], evidence: Evidence) -> Sequence[Part]:
    """Parts of the report that only a run with imagery has."""
    return make(evidence.results) if evidence.results.sources else [Gap(MAPS_NOTHING)]


def _agreement(results: ReportTables) -> list[Part]:
    """The bars of the report's section on products."""
    pictures = [part for part in agreement_parts(results) if isinstance(part, Picture)]
    return [*pictures] if pictures else [Gap(NO_CLASSES)]


def _both_importances(results: ReportTables) -> list[Part]:
    parts = [part for name in ("correctness", "integration") for part in importance_parts(results, name)]
    if any(isinstance(part, Gap) for part in parts):
        hint = "Review blocks (`croplayer judge sample`) and name them as decisions.reviews in the recipe."
        parts.append(Gap(hint))
    return parts


def _network_parts(evidence: Evidence) -> list[Part]:
    if evidence.comparison is None:
        text = (
            "No comparison of networks is named. `croplayer models compare` trains networks on the same scenes; name its folder as "
            "report.comparison in the recipe, or with the option --comparison."
        )
        return [Gap(text)]
    return list(comparison_section(evidence.comparison, evidence.comparison_origin).parts)


def texts_of(table: Table) -> list[bool]:
    """Whether each column holds texts and is therefore aligned to the left: anything but numbers with their units."""
    return [not all(NUMBER.fullmatch(row[i]) for row in table.rows) for i in range(len(table.header))]


def csv_of(table: Table) -> pd.DataFrame:
    """A table of the page as it is printed."""
    return pd.DataFrame([list(row) for row in table.rows], columns=list(table.header))
