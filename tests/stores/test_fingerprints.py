"""What a step is made of: one digest of it, and short texts to tell people what changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stores.fingerprints import LONGEST_SHOWN, fingerprint_of, short_parts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=60),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
PARTS = st.dictionaries(st.text("xyz", min_size=1, max_size=3), VALUES, max_size=4)


@given(PARTS, PARTS)
def test_another_part_is_another_fingerprint(a: dict[str, object], b: dict[str, object]) -> None:
    assert (fingerprint_of(a) == fingerprint_of(b)) == (repr(_sorted(a)) == repr(_sorted(b)))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, _sorted(each)) for key, each in value.items())
    return [_sorted(each) for each in value] if isinstance(value, list) else value


@given(PARTS)
def test_parts_are_short_texts(parts: dict[str, object]) -> None:
    assert all(len(text) <= LONGEST_SHOWN for text in short_parts(parts).values())


def test_values_are_shown_and_digests_are_cut() -> None:
    parts = {"threshold": 0.5, "model": "a" * 64, "sources": {"aster": "b" * 64, "note": "c" * 99}, "reference": None}
    short = short_parts(parts)
    assert short["threshold"] == "0.5" and short["model"] == "#aaaaaaaaaaaa" and short["reference"] == "none"
    assert short["sources.aster"] == "#bbbbbbbbbbbb"
    assert short["sources.note"].startswith("#") and len(short["sources.note"]) == 13
