"""The page of a package holds texts of data as texts."""

from __future__ import annotations

from croplayer.packages.readme import readme
from stores.licences import Licence, LicensedInput, Role
from stores.map_facts import MapFacts

SCRIPT = "<script>alert(1)</script>"


def test_texts_of_data_are_no_markup_and_break_no_line() -> None:
    units = LicensedInput(Role.UNITS, f"level | 1 {SCRIPT}", Licence.of("CC BY\n4.0 | <b>"), "https://a.org/?x=1\n2")
    facts = MapFacts(
        name="north", title=f"North {SCRIPT}", about="See <https://example.org>.\n\n<img src=x onerror=alert(2)> 3 < 4",
        edition="2020", version="0", block_px=512, sources=("one",), licence=f"ours {SCRIPT}", terms=None,
        producer="An\noffice", citation=None, inputs=(units,),
    )  # fmt: skip
    lines = readme(facts, f"East\nWest {SCRIPT}", {"a.gpkg": f"of\n{SCRIPT}"}, ["units"]).splitlines()
    told = "&lt;script>alert(1)&lt;/script>"
    assert lines[0] == f"# North {told}: East West {told}"
    assert lines[2:5] == ["See <https://example.org>.", "", "&lt;img src=x onerror=alert(2)> 3 < 4"]
    assert f"* `a.gpkg`: of {told}" in lines and f"Licence of the map: ours {told}." in lines
    assert f"| units | level / 1 {told} | CC BY 4.0 / &lt;b> | attribution | https://a.org/?x=1 2 |" in lines
    assert not any("<script" in line or "<img" in line for line in lines)
