"""Why the plain rules decide as they do, in words: each of their answers has one cause (`croplayer.decisions.rules`)."""

from __future__ import annotations

from collections.abc import Sequence

from croplayer.decisions.rules import CONFIDENT, FALSE_AREA_FRACTION, RULES, SPECK_KM2
from stores.legends import EMPTY_SHARE, Correctness, Integration

_HECTARES_PER_KM2 = 100
_OF_MASKS = {
    Correctness.ARTIFACTS.label: "the imagery is cloudy or snowy",
    Correctness.TN.label: f"less than {EMPTY_SHARE:.1%} of the block is cropland in this mask",
    Correctness.FP.label: (
        f"more than {FALSE_AREA_FRACTION:.0%} of the block is cropland in this mask, but the imagery shows no planting "
        f"(confidence {CONFIDENT:g} or more)"
    ),
    Correctness.NOISE.label: f"the regions of this mask are smaller than {SPECK_KM2 * _HECTARES_PER_KM2:g} ha on average",
    Correctness.TP.label: "no rule speaks against this mask",
}


def is_by_rules(method: str | None) -> bool:
    """Whether the method of a decision, as tables name it, is that of the rules."""
    return method is not None and method.startswith(RULES[: RULES.index("(")])


def why_correctness(label: str) -> str | None:
    """Why the rules give a mask a label of `Correctness`; None for another label."""
    return _OF_MASKS.get(label)


def why_integration(label: str, sources: Sequence[str]) -> str | None:
    """Why the rules take what a label of `Integration` names in a block; None for another label.

    Parameters
    ----------
    sources : one or two, in their order in the cube
    """
    taken = dict(zip((Integration.ONLY_A.label, Integration.ONLY_B.label), sources, strict=False))
    if label in taken:
        return f"of the masks that are judged correct, that of {taken[label]} is expected to get least wrong"
    return {
        Integration.NEITHER.label: "no mask is judged correct",
        Integration.MERGE_BOTH.label: "both masks are judged correct, and neither is expected to be better alone",
    }.get(label)
