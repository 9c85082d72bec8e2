"""The page of Python: every public name with its arguments and its docstring."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

import pytest
from shared.places import REPOSITORY

import croplayer
from croplayer.cube.accessor import CropAccessor
from reference.api_page import STORES, rooms

PAGE = (REPOSITORY / "docs/api.md").read_text(encoding="utf-8")


def test_every_public_name_is_on_the_page() -> None:
    headings = set(re.findall(r"(?m)^#{2,3} (.+)$", PAGE))
    for name in croplayer.__all__:
        assert f"croplayer.{name}" in headings or f"`croplayer.{name}`" in PAGE, name
    assert {f"croplayer.models.{name}" for name in croplayer.models.__all__} <= headings
    crop = {name for name in dir(CropAccessor) if not name.startswith("_")}
    assert crop and {f"cube.crop.{name}" for name in crop} <= headings


@pytest.mark.parametrize("name", STORES)
def test_every_class_function_and_constant_of_the_stores_is_on_the_page(name: str) -> None:
    module = import_module(name)
    source = inspect.getsource(module)
    defined = re.findall(r"(?m)^(?:def|class) ([A-Za-z]\w*)", source)
    assert defined
    for each in defined:
        assert f"### {name}.{each}\n" in PAGE or f"### croplayer.{each}\n" in PAGE, each
    for constant in re.findall(r'(?m)^([A-Z][A-Z_0-9]+)\b[^\n]* = [^\n]+\n"""', source):
        assert re.search(rf"\n\* `{name}\.{constant}(`: | = )", PAGE), constant


def test_arguments_and_docstrings_are_told() -> None:
    for room in rooms():
        for name, thing in room.names.items():
            start = PAGE.index(f"### {name}\n")
            text = PAGE[start : PAGE.find("\n### ", start + 1)]
            first = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()).replace("``", "`")
            assert first and first in text, name
            if inspect.isfunction(thing):
                arguments = [p for p in inspect.signature(thing).parameters if p != "self"]
                assert all(re.search(rf"\b{argument}\b", text) for argument in arguments), name


def test_codes_of_classes_are_told() -> None:
    from stores.legends import Correctness

    text = PAGE[PAGE.index("### stores.legends.Correctness\n") : PAGE.index("### stores.legends.CorrectnessClasses\n")]
    for member in Correctness:
        assert f"* `{member.name} = {member.value}`" in text
    assert "* `stores.legends.NO_IMAGERY = 254`: " in PAGE


def test_sections_become_lists() -> None:
    text = PAGE[PAGE.index("### croplayer.open_cube\n") : PAGE.index("### croplayer.region_properties\n")]
    assert "\n* `strict`: whether every block of the region must be finished" in text
    assert "**Returns**\n\nDataset of dask arrays" in text
    assert "strict: bool = False) -> xr.Dataset" in text
    assert "---" not in text and "ForwardRef" not in PAGE
