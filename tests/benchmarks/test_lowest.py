"""The lowest versions that pyproject.toml allows, as pins."""

from __future__ import annotations

import pytest
from shared.places import REPOSITORY

from benchmarks.lowest import lowest_pins

CONSTRAINTS = "numpy==2.4.6\nPytest_Timeout==2.4.0\ntorch==2.13.0\n"


def project(dependencies: str, extras: str = "") -> str:
    return f'[project]\nname = "maps"\ndependencies = [{dependencies}]\n[project.optional-dependencies]\n{extras}'


def test_a_lower_bound_becomes_a_pin_but_for_torch_and_tools() -> None:
    text = project('"numpy>=2.1", "affine>=2.4,<3"', 'run = ["maps[s3]", "torch>=2.6"]\ntest = ["pytest-timeout>=2.3"]')
    pins = lowest_pins(text, CONSTRAINTS)
    assert pins == {"numpy": "2.1", "affine": "2.4", "torch": "2.13.0", "pytest-timeout": "2.4.0"}


def test_a_requirement_without_a_lower_bound_is_refused() -> None:
    with pytest.raises(ValueError, match=r"requires 'numpy<3'; expected a lower bound"):
        lowest_pins(project('"numpy<3"'), CONSTRAINTS)


def test_every_requirement_has_a_lower_bound() -> None:
    texts = ((REPOSITORY / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt"))
    assert lowest_pins(*texts)["torch"].startswith("2.")
