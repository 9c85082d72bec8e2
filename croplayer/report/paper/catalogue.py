"""The figures and tables of the paper, by number."""

from __future__ import annotations

from typing import NamedTuple


class Exhibit(NamedTuple):
    """A figure or table of the paper."""

    number: str
    """Such as "Fig. 12" """
    what: str
    """What it shows"""


EXHIBITS = (
    Exhibit("Table 1", "definitions of the coverage types"),
    Exhibit("Table 2", "examples of kinds of cropland, and of land that is confused with it"),
    Exhibit("Table 3", "the other products: source, resolution, definition, declared accuracy"),
    Exhibit("Table 4", "the options of integration, with where each prevails"),
    Exhibit("Table 5", "the features of the blocks, by group"),
    Exhibit("Table 6", "networks that were trained on the same scenes: time and IoU"),
    Exhibit("Fig. 1", "slope of the region, as a map"),
    Exhibit("Fig. 2", "an example of each coverage type"),
    Exhibit("Fig. 3", "labelled blocks with and without cropland, as a map"),
    Exhibit("Fig. 4", "what each product counts as cropland"),
    Exhibit("Fig. 5", "the steps of the method, as a flow chart"),
    Exhibit("Fig. 6", "coverage types of the sources, as maps and shares"),
    Exhibit("Fig. 7", "imagery, coverage type, saturation and sharpness of the sources, as maps"),
    Exhibit("Fig. 8", "share of the blocks that people labelled, by unit"),
    Exhibit("Fig. 9", "semantic correctness of the sources' masks, as maps with shares"),
    Exhibit("Fig. 10", "options of integration, as a map with shares"),
    Exhibit("Fig. 11", "permutation importance of the features of both block models"),
    Exhibit("Fig. 12", "mapped area in per cent of the statistic, by unit, for all products and extraction scenarios"),
    Exhibit("Fig. 13", "IoU of the products with the map"),
    Exhibit("Fig. 14", "deviation of area fraction and edge density of four products, as maps"),
    Exhibit("Fig. 15", "the same deviations against the slope, as histograms in two dimensions"),
    Exhibit("Fig. 16", "distribution over the units of the mapped area in per cent of the statistic"),
    Exhibit("Fig. 17", "area fraction of the map"),
)
"""All of them, tables first."""
