"""Licences: what their words demand, and when a map must not be shared."""

from __future__ import annotations

import pytest

from stores.licences import Demand, Licence, LicensedInput, Role, demands_of, doubts, obstacles


@pytest.mark.parametrize(
    ("words", "demands", "spdx"),
    [
        ("CC0-1.0", "", "CC0-1.0"),
        ("US public domain", "", None),
        ("CC-BY-4.0", "attribution", "CC-BY-4.0"),
        ("cc by 4.0", "attribution", "CC-BY-4.0"),
        ("CC BY-SA 4.0", "attribution share-alike", "CC-BY-SA-4.0"),
        ("CC-BY-NC-SA-4.0", "attribution share-alike non-commercial", "CC-BY-NC-SA-4.0"),
        ("CC BY-NC-ND 4.0", "attribution non-commercial no-derivatives", "CC-BY-NC-ND-4.0"),
        ("Creative Commons Attribution-NonCommercial 4.0", "attribution non-commercial", None),
        ("Creative Commons Attribution-NoDerivatives 4.0", "attribution no-derivatives", None),
        ("odbl-1.0", "attribution share-alike", "ODbL-1.0"),
        ("Apache-2.0 (synthetic)", "attribution", None),
        ("apache-2.0", "attribution", "Apache-2.0"),
        ("imagery US public domain; labels MIT, (c) 2021 Radix", "attribution", None),
        ("CC BY 4.0 (check before use)", "attribution unknown", None),
        ("not established: ask before use", "unknown", None),
        ("our own", "unknown", None),
        ("© 2020 A Provider of Imagery", "attribution unknown", None),
        ("© OpenStreetMap contributors, ODbL 1.0", "attribution share-alike", None),
        ("public domain, redistribution prohibited", "unknown", None),
        ("Nutzung nur mit Genehmigung", "unknown", None),
        ("mit", "attribution", "MIT"),
        ("The MIT License", "attribution", None),
        ("CC_BY_NC_4.0", "attribution non-commercial", "CC-BY-NC-4.0"),
        ("CC BY\N{EN DASH}NC\N{NO-BREAK SPACE}4.0", "attribution non-commercial", "CC-BY-NC-4.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/", "attribution non-commercial no-derivatives", None),
        ("CC BY 4.0, no derivatives", "attribution no-derivatives", None),
        ("free for non-commercial use", "non-commercial unknown", None),
        ("CC BY\u2011NC\u2011ND 4.0", "attribution non-commercial no-derivatives", "CC-BY-NC-ND-4.0"),
        ("CC-BYNC-4.0", "attribution non-commercial", None),
        ("CC BY San Marino", "attribution", None),
        ("CC BY 4.0, https://example.org/?page=1", "attribution", None),
        ("Creative Commons BY-NC 4.0", "attribution non-commercial", None),
        ("Creative Commons Attribution-No Derivatives", "attribution no-derivatives", None),
        ("Creative Commons Attribution-Non Commercial-Share Alike", "attribution non-commercial share-alike", None),
        ("not CC0", "unknown", None),
        ("public domain?", "unknown", None),
        ("ODC-By; for commercial and non-commercial use", "attribution", None),
        ("", "unknown", None),
    ],
)
def test_words_of_a_licence(words: str, demands: str, spdx: str | None) -> None:
    licence = Licence.of(words)
    assert licence.demands == frozenset(demands.split())
    assert licence.spdx == spdx


def of(words: str, role: Role = Role.IMAGERY, name: str = "a", rights: tuple[str, ...] | None = None) -> LicensedInput:
    return LicensedInput(role, name, Licence.of(words), may_publish=rights)


UNITS_ODBL = of("ODbL-1.0", Role.UNITS, "level 1")


@pytest.mark.parametrize(
    ("inputs", "own", "pictures", "sentences"),
    [
        ([of("CC-BY-4.0"), of("Apache-2.0", Role.MODEL)], "CC-BY-4.0", True, []),
        ([of("CC-BY-ND-4.0")], None, False, ["forbids to share what is made of it"]),
        ([of("CC-BY-ND-4.0"), UNITS_ODBL], None, False, ["forbids to share what is made of it"]),
        ([of("CC-BY-ND-4.0", rights=("results",))], None, False, []),
        ([of("CC-BY-ND-4.0", rights=("results",))], None, True, ["nothing lets pictures of the imagery 'a'"]),
        ([of("CC-BY-4.0", rights=())], None, False, ["does not let the results of the imagery 'a'"]),
        ([of("")], None, False, []),
        ([of("")], None, True, ["nothing lets pictures of the imagery 'a' .not stated."]),
        ([of("", rights=("results", "pictures"))], None, True, []),
        ([of("© 2020 A Provider of Imagery")], None, True, ["nothing lets pictures of the imagery 'a'"]),
        ([of("free for non-commercial use")], "CC-BY-4.0", False, ["forbids commercial use, and the map's licence"]),
        ([of("CC-BY-SA-4.0"), UNITS_ODBL], None, False, ["each demand their own licence"]),
        ([of("CC-BY-SA-4.0"), of("CC-BY-SA-3.0", name="b")], "CC-BY-SA-4.0", True, []),
        ([of("CC-BY-NC-4.0"), UNITS_ODBL], None, False, ["forbids commercial use, which the units 'level 1'"]),
        ([of("CC-BY-NC-SA-4.0"), of("CC-BY-NC-4.0", name="b")], "CC-BY-NC-SA-4.0", True, []),
        ([UNITS_ODBL], "CC-BY-4.0", False, ["demands its own licence .* the map's is 'CC-BY-4.0'"]),
        ([of("CC-BY-NC-4.0")], "CC-BY-4.0", False, ["forbids commercial use, and the map's licence 'CC-BY-4.0' allows"]),
        ([of("CC-BY-ND-4.0", Role.PRODUCT), of("", Role.STATISTICS)], None, True, []),
    ],
)  # fmt: skip
def test_what_stands_in_the_way(
    inputs: list[LicensedInput], own: str | None, pictures: bool, sentences: list[str]
) -> None:
    import re

    found = obstacles(inputs, Licence.of(own) if own else None, pictures)
    assert len(found) == len(sentences), found
    for sentence, pattern in zip(found, sentences, strict=True):
        assert re.search(pattern, sentence), sentence
        assert "\n" not in sentence


def test_products_that_are_drawn_need_a_right_to_it() -> None:
    closed, free = of("CC-BY-ND-4.0", Role.PRODUCT, "esa"), of("CC-BY-4.0", Role.PRODUCT, "esri")
    assert obstacles([closed, free], None, True) == []
    (sentence,) = obstacles([closed, free], None, True, drawn=("esa", "esri"))
    assert sentence.startswith("nothing lets pictures of the product 'esa' (CC-BY-ND-4.0) be published")
    assert obstacles([of("", Role.PRODUCT, "esa", ("pictures",))], None, True, drawn=("esa",)) == []


def test_the_union_and_the_doubts() -> None:
    inputs = [of("CC-BY-SA-4.0"), of("", Role.UNITS, "level 2"), of("", Role.PRODUCT, "esa"), of("CC0-1.0", name="b")]
    assert demands_of(inputs) == [Demand.ATTRIBUTION, Demand.SHARE_ALIKE, Demand.UNKNOWN]
    assert [d.split("(")[0] for d in doubts(inputs)] == ["what the units 'level 2' "]


def test_an_input_reads_back_from_json() -> None:
    for each in (
        of("CC-BY-4.0"),
        of("ours", rights=("results",)),
        LicensedInput(Role.UNITS, "x", Licence.of(None), "https://a.b"),
    ):
        assert LicensedInput.from_json(each.to_json()) == each
