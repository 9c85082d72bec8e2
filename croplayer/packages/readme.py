"""The page that comes with a package: what it holds, a dictionary of its data, licences, how to cite it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stores.field_columns import FieldColumn
from stores.legends import FLAG_COLOURS, FLAG_LABELS
from stores.licences import demands_of, doubts
from stores.map_facts import MapFacts
from stores.package_columns import LAYERS

_FIELDS = "Single fields, each in the unit that holds its inner point; touching fields share their edges."
ABOUT_LAYERS = {
    "cropland": "Regions of cropland: pixels of the map that touch by their sides, cut at the borders of units.",
    "fields": _FIELDS,
    "units": "The admin units of the package.",
    "blocks": "The blocks of 0.05 degree that the package touches: what their map is made of, and what it is worth.",
}


def readme(facts: MapFacts, title: str, files: Mapping[str, str], layers: Sequence[str]) -> str:
    """The page in Markdown.

    Parameters
    ----------
    title : the name of what the package covers
    files : what each file or folder of the package holds, by its name
    layers : names of the layers that it has
    """
    lines = [f"# {one_line(facts.title)}: {one_line(title)}", ""]
    lines += [_without_markup(facts.about), ""] if facts.about else []
    lines += [
        f"Edition {facts.edition} of the map '{facts.name}', made with croplayer {facts.version} from the sources "
        f"{', '.join(facts.sources)}. All files are in EPSG:4326; areas are measured on the WGS 84 ellipsoid.",
        "",
        "## Files",
        "",
        *(f"* `{name}`: {one_line(words)}" for name, words in files.items()),
        "",
        "## The map",
        "",
        f"A pixel is 1/{20 * facts.block_px} degree, about {_metres(facts.block_px):.3g} m from north to south. Values:",
        "",
        "| value | meaning | colour |",
        "|---|---|---|",
        *(f"| {value} | {label} | {FLAG_COLOURS[value]} |" for value, label in FLAG_LABELS.items()),
        "",
        "255 is the nodata value; unknown land is never \"not cropland\". Overviews show the nearest pixel.",
    ]  # fmt: skip
    for name in layers:
        lines += ["", f"## Layer `{name}`", "", ABOUT_LAYERS[name], "", *_dictionary(LAYERS[name])]
    lines += ["", "## Licence", "", *licence_words(facts), "", "## How to cite", "", one_line(facts.cited)]
    return "\n".join(lines) + "\n"


def _dictionary(columns: Sequence[FieldColumn]) -> list[str]:
    rows = (f"| `{c.name}` | {c.dtype} | {c.unit} | {c.about.replace('|', '/')} |" for c in columns)
    return ["| column | type | unit | meaning |", "|---|---|---|---|", *rows]


def _metres(block_px: int) -> float:
    """Height of a pixel on the meridian, in metres."""
    return 0.05 * 111_195 / block_px


def licence_words(facts: MapFacts) -> list[str]:
    """Markdown lines on the licence of the map and of each of its inputs, and what they demand together."""
    own = facts.licence or "not stated; ask the producer before you share this map"
    address = f" (<{facts.terms}>)" if facts.terms else ""
    lines = [f"Licence of the map: {one_line(own)}{address}.", ""]
    if not facts.inputs:
        return [*lines, "The licences of its inputs are not known."]
    lines += ["| input | name | licence | demands | terms |", "|---|---|---|---|---|"]
    for each in facts.inputs:
        demands = ", ".join(demand for demand in demands_of([each])) or "nothing"
        cells = (each.role, each.name, each.licence.words, demands, each.terms)
        lines.append(f"| {' | '.join(one_line(cell).replace('|', '/') for cell in cells)} |")
    shared = [each for each in facts.inputs if not each.role.is_measured_only]
    together = ", ".join(demands_of(shared)) or "nothing"
    lines += [
        "",
        f"Together the inputs that the map is made of demand: {together}. Products and statistics are only compared.",
    ]
    return [*lines, *(f"* {_sentence(doubt)}" for doubt in doubts(facts.inputs))]


def one_line(text: str) -> str:
    """A text of data as Markdown of one line that holds no markup of HTML."""
    return _without_markup(" ".join(text.split()))


def _without_markup(text: str) -> str:
    # Addresses in angle brackets stay links.
    return re.sub(r"<(?=[a-z/!?])(?!https?://)", "&lt;", text, flags=re.IGNORECASE)


def _sentence(text: str) -> str:
    return f"{one_line(text[0].upper() + text[1:])}."
