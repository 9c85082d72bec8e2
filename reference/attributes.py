"""The texts below the attributes of classes, which Python itself does not keep."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from itertools import pairwise


def attribute_texts(kind: type) -> dict[str, str]:
    """The text below each attribute of a class and of its bases, in one line; attributes without a text are left out."""
    texts: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if owner.__module__.partition(".")[0] in ("croplayer", "stores", "pipelines"):
            texts |= _own_texts(owner)
    return texts


def texts_of_all(kind: type, attributes: Iterable[str]) -> dict[str, str]:
    """`attribute_texts` in Markdown of attributes that must all have one; raises ValueError for one that has none."""
    texts = attribute_texts(kind)
    lacking = [f"{kind.__name__}.{name}" for name in attributes if name not in texts]
    if lacking:
        raise ValueError(f"{', '.join(lacking)}: no text stands below; write what it means")
    return {name: in_markdown(texts[name]) for name in attributes}


def _own_texts(owner: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(tree, ast.ClassDef)
    return texts_below(tree.body)


def texts_below(body: list[ast.stmt]) -> dict[str, str]:
    """The text below each assignment to a name, in one line."""
    texts = {}
    for node, below in pairwise(body):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        is_text = (
            isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
        )
        if isinstance(target, ast.Name) and is_text:
            texts[target.id] = " ".join(inspect.cleandoc(below.value.value).split())  # type: ignore[attr-defined]
    return texts


def in_markdown(text: str) -> str:
    """A text of a docstring as Markdown: code between single backticks."""
    return text.replace("``", "`")
