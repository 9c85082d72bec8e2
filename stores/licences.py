"""Licences: what they demand of what is made of a work, and what a map owes to its inputs.

A licence is stated in words: an SPDX identifier such as ``CC-BY-4.0``, or a sentence that names one or several. Words that name no
known licence demand ``unknown``. This is a reading of names, not legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NOT_STATED = "not stated"
"""Words of a licence that nobody stated."""


class Demand(StrEnum):
    """What a licence demands of whoever shares what is made of a work."""

    ATTRIBUTION = "attribution"
    """Name the authors."""
    SHARE_ALIKE = "share-alike"
    """Share it under the same licence."""
    NON_COMMERCIAL = "non-commercial"
    """No commercial use."""
    NO_DERIVATIVES = "no-derivatives"
    """Share nothing that is made of the work, only the work itself."""
    UNKNOWN = "unknown"
    """Nobody can tell from the words."""


class Role(StrEnum):
    """What an input is to a map."""

    IMAGERY = "imagery"
    ELEVATION = "elevation"
    MODEL = "model"
    LABELS = "labels"
    UNITS = "units"
    PRODUCT = "product"
    STATISTICS = "statistics"

    @property
    def is_measured_only(self) -> bool:
        """Whether outputs hold figures about the input alone, and nothing that is made of it."""
        return self in (Role.PRODUCT, Role.STATISTICS)


RIGHTS = ("results", "pictures")
"""What may be published of an input by agreement: maps and tables that are made of it, and pictures that show it."""
_BY, _SA, _NC, _ND = Demand.ATTRIBUTION, Demand.SHARE_ALIKE, Demand.NON_COMMERCIAL, Demand.NO_DERIVATIVES
_FREE = r"cc[\s-]*0\b|cc-zero|public[\s-]domain|\bpddl\b|\b0bsd\b|\bunlicense\b|dl-de[/-]zero|no copyright"
_NOTICE = r"apache|\bbsd\b|\bisc\b|odc[\s-]*by|\bogl\b|open government licen[cs]e|etalab|licence ouverte|dl-de[/-]by|copernicus sentinel"
_MIT = r"\bMIT\b|(?i:^mit$|\bmit licen[cs]e)"
"""The licence, and not the German word for "with"."""
_COPYRIGHT = r"©|\(c\)|copyright"
"""Whose work it is; that alone gives nobody a right."""
_ALIKE = {"ODbL": r"odbl|open database licen[cs]e", "GPL": r"(?<![al])gpl", "LGPL": r"lgpl", "AGPL": r"agpl"}
_CC = (
    r"(?:cc[\s-]*by|creative commons[\s-]+(?:by\b|attribution)|creativecommons\.org/licenses/by)"
    r"((?:[\s-]*(?:non[\s-]?commercial|no[\s-]?deriv\w*|share[\s-]?alike|(?:nc|nd|sa)(?=nc|nd|sa|[^a-z]|$)))*)"
)
_PARTS = {"nc": _NC, "non": _NC, "nd": _ND, "no-": _ND, "nod": _ND, "sa": _SA, "sha": _SA}
"""Demands by the beginning of a part of a Creative Commons licence."""
_LIMITS = (
    (_NC, r"(?<!commercial and )(?<!commercial or )non[\s-]?commercial(?! (?:and|or) commercial)"),
    (_ND, r"\bno[\s-]deriv"),
)
"""Limits that are stated in words of their own, beside a known licence or without one."""
_DOUBT = (
    r"check before|not established|not stated|not for use|ask before|not open|unknown|proprietary|all rights reserved|"
    r"permission|prohibited|no redistribution|\?(?=\s|$)|\b(?:not?|never) (?:in the |under )?(?:cc|public|free|open)"
)
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014_", "-") | {"\u00a0": " "})
"""Signs that people write for the hyphens and spaces of a licence's name."""
_SPDX_OF_CC = r"cc-by(-nc)?(-sa|-nd)?-[1-4]\.[05]"
_SPDX = (
    "CC0-1.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "OGL-UK-3.0",
    "etalab-2.0", "DL-DE-BY-2.0", "DL-DE-ZERO-2.0", "GPL-3.0-only", "AGPL-3.0-only", "LGPL-3.0-only",
)  # fmt: skip
_WORDS_OF_PARTS = ((_BY, "BY"), (_NC, "NC"), (_SA, "SA"), (_ND, "ND"))


@dataclass(frozen=True)
class Licence:
    """A licence as it is stated, and what it demands."""

    words: str
    """SPDX identifier or sentence; `NOT_STATED` where nothing is said."""
    demands: frozenset[Demand]
    alike: frozenset[str] = frozenset()
    """Names of the licences under which what is made of the work must be shared, such as ``CC-BY-SA``."""

    @classmethod
    def of(cls, words: str | None) -> Licence:
        """The licence that some words state; of several that they name, the demands of all."""
        words = (words or "").strip() or NOT_STATED
        text = words.translate(_DASHES).lower()
        demands: set[Demand] = set()
        alike = set()
        if re.search(_NOTICE, text) or re.search(_MIT, words):
            demands.add(_BY)
        for name, pattern in _ALIKE.items():
            if re.search(pattern, text):
                demands |= {_BY, _SA}
                alike.add(name)
        for found in re.finditer(_CC, text):
            of_cc = {_BY, *_cc_demands(found[1])}
            demands |= of_cc
            if _SA in of_cc:
                alike.add("-".join(["CC", *(part for demand, part in _WORDS_OF_PARTS if demand in of_cc)]))
        is_known = bool(demands) or re.search(_FREE, text) is not None
        if re.search(_DOUBT, text) or not is_known:
            demands.add(Demand.UNKNOWN)
        demands |= {_BY} if re.search(_COPYRIGHT, text) else set()
        demands |= {demand for demand, pattern in _LIMITS if re.search(pattern, text)}
        return cls(words, frozenset(demands), frozenset(alike))

    @property
    def spdx(self) -> str | None:
        """The SPDX identifier that the words are; None for a sentence, or a name that is none of those known here."""
        text = re.sub(r"\s+", "-", self.words.translate(_DASHES).lower())
        return next((name for name in _SPDX if name.lower() == text), None) or (
            text.upper() if re.fullmatch(_SPDX_OF_CC, text) else None
        )

    @property
    def is_known(self) -> bool:
        """Whether the words tell what is demanded."""
        return Demand.UNKNOWN not in self.demands


def _cc_demands(parts: str) -> Iterator[Demand]:
    for part in re.findall(r"nc|nd|sa|non|no[\s-]?d|sha", parts):
        yield _PARTS.get(part, _ND)


@dataclass(frozen=True)
class LicensedInput:
    """An input of a map with its licence."""

    role: Role
    name: str
    licence: Licence
    terms: str = ""
    """Address of the terms."""
    may_publish: tuple[str, ...] | None = None
    """Which of `RIGHTS` the user holds by agreement, whatever the licence says; None where there is no agreement."""

    @property
    def title(self) -> str:
        """Role and name in words."""
        return f"the {self.role} '{self.name}' ({self.licence.words})"

    def to_json(self) -> dict[str, Any]:
        """The input as it stands in ``provenance.json``; the inverse of `from_json`."""
        own: dict[str, Any] = {
            "role": str(self.role),
            "name": self.name,
            "licence": self.licence.words,
            "demands": sorted(self.licence.demands),
        }
        own |= {"terms": self.terms} if self.terms else {}
        return own | ({} if self.may_publish is None else {"may_publish": list(self.may_publish)})

    @classmethod
    def from_json(cls, own: Mapping[str, Any]) -> LicensedInput:
        """The input of an entry of ``provenance.json``."""
        rights = own.get("may_publish")
        return cls(
            Role(own["role"]), own["name"], Licence.of(own["licence"]), own.get("terms", ""),
            None if rights is None else tuple(rights),
        )  # fmt: skip


def demands_of(inputs: Iterable[LicensedInput]) -> list[Demand]:
    """What all inputs together demand, in the order of `Demand`."""
    found = frozenset().union(*(each.licence.demands for each in inputs))
    return [demand for demand in Demand if demand in found]


def obstacles(
    inputs: Sequence[LicensedInput], own: Licence | None, with_pictures: bool, drawn: Collection[str] = ()
) -> list[str]:
    """Sentences about why a map must not be shared; none where it may be, as far as the words tell.

    Inputs that are only measured (`Role.is_measured_only`) stand in the way of nothing, unless they are drawn.

    Parameters
    ----------
    inputs : what the map is made of
    own : the licence under which the map is to be shared; None where it is not stated
    with_pictures : whether pictures of the imagery are shared, too
    drawn : names of the products of which pictures are shared
    """
    parts = [each for each in inputs if not each.role.is_measured_only]
    bound = [each for each in parts if each.may_publish is None]
    found = [f"the recipe does not let the results of {each.title} be published" for each in parts if _kept(each)]
    found += [f"{each.title} forbids to share what is made of it" for each in bound if _ND in each.licence.demands]
    if with_pictures:
        found += [
            f"nothing lets pictures of {each.title} be published; state its licence in the recipe, or "
            'may_publish = ["results", "pictures"] if you hold that right, or leave the imagery out'
            for each in parts
            if each.role is Role.IMAGERY and not _shows(each)
        ]
    found += [
        f'nothing lets pictures of {each.title} be published; state may_publish = ["pictures"] in the recipe if you hold that right'
        for each in inputs
        if each.role is Role.PRODUCT and each.name in drawn and not _shows(each)
    ]
    return [*found, *_clashes(bound, own)]


def doubts(inputs: Iterable[LicensedInput]) -> list[str]:
    """Sentences about inputs whose licence nobody can tell, and whose results are shared without an agreement."""
    return [
        f"what {each.title} demands is not known; state its licence in the recipe"
        for each in inputs
        if not each.role.is_measured_only and each.may_publish is None and not each.licence.is_known
    ]


def _kept(each: LicensedInput) -> bool:
    return each.may_publish is not None and "results" not in each.may_publish


def _shows(each: LicensedInput) -> bool:
    """Whether pictures of an input may be published."""
    if each.may_publish is not None:
        return "pictures" in each.may_publish
    return each.licence.is_known and _ND not in each.licence.demands


def _clashes(bound: Sequence[LicensedInput], own: Licence | None) -> Iterator[str]:
    """Sentences about licences that cannot hold together."""
    alike = [each for each in bound if each.licence.alike]
    first = alike[0] if alike else None
    for each in alike[1:]:
        if first is not None and not first.licence.alike & each.licence.alike:
            yield f"{first.title} and {each.title} each demand their own licence for what is made of them, and no licence is both"
    limited = next((each for each in bound if _NC in each.licence.demands), None)
    free = next((each for each in alike if not any("-NC" in name for name in each.licence.alike)), None)
    if limited is not None and free is not None:
        yield f"{limited.title} forbids commercial use, which {free.title} demands to allow"
    if own is None:
        return
    if first is not None and not first.licence.alike & own.alike:
        yield f"{first.title} demands its own licence for what is made of it, and the map's is '{own.words}'"
    if limited is not None and _NC not in own.demands:
        yield f"{limited.title} forbids commercial use, and the map's licence '{own.words}' allows it"
