"""The page of the public Python names, made of their docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any, ForwardRef, NamedTuple

from reference.attributes import attribute_texts, in_markdown, texts_below

HEAD = """
# Python

```python
import croplayer

cube = croplayer.open_cube("runs/demo")
```

`croplayer` imports fast: what a name needs is loaded when it is first used.
"""
STORES = ("stores.grid", "stores.legends", "stores.columns")
"""What readers of a cube and of its tables need: the lattice, the codes of classes, the names of columns."""
INDENTED = " "


class Room(NamedTuple):
    """A place of public names."""

    title: str
    about: str
    names: dict[str, Any]
    """What a name, as a reader writes it, stands for."""
    constants: dict[str, str]
    """The text of each public constant."""


def rooms() -> Iterator[Room]:
    """The public face of croplayer, what hangs on an opened cube, models, and the meaning of what stores hold."""
    import croplayer
    from croplayer.cube.accessor import CropAccessor

    own = {name: getattr(croplayer, name) for name in croplayer.__all__}
    things = {f"croplayer.{name}": thing for name, thing in own.items() if callable(thing)}
    version = {"croplayer.__version__": f"The version, such as {croplayer.__version__}."}
    yield Room("croplayer", inspect.getdoc(croplayer) or "", things, version)
    members = {f"cube.crop.{name}": member for name, member in public_members(CropAccessor)}
    yield Room("cube.crop", inspect.getdoc(CropAccessor) or "", members, {})
    models = croplayer.models
    loaders = {f"croplayer.models.{name}": getattr(models, name) for name in models.__all__}
    yield Room("croplayer.models", inspect.getdoc(models) or "", loaders, {})
    for name in STORES:
        yield _room_of_module(import_module(name), list(things.values()))


def _room_of_module(module: types.ModuleType, told: list[Any]) -> Room:
    """The classes and functions that a module defines and that are not told yet, and its constants that have a text."""
    name = module.__name__
    own = {k: v for k, v in vars(module).items() if getattr(v, "__module__", "") == name and k[0] != "_"}
    own = {f"{name}.{k}": v for k, v in own.items() if v not in told}
    texts = texts_below(ast.parse(inspect.getsource(module)).body)
    values = {k: f"{name}.{k} = {v!r}" for k, v in vars(module).items() if isinstance(v, int | float | str)}
    constants = {values.get(k, f"{name}.{k}"): text for k, text in texts.items() if k.isupper()}
    return Room(name, inspect.getdoc(module) or "", {k: v for k, v in own.items() if callable(v)}, constants)


def public_members(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class defines itself, in their order."""
    for name, member in vars(kind).items():
        bare = getattr(member, "__func__", member)
        if (name[0] != "_" and isinstance(bare, types.FunctionType | property)) or (
            hasattr(bare, "func") and name[0] != "_"
        ):
            yield name, bare


def api_page() -> str:
    """The page in Markdown: a section for each room, and in it one for each name."""
    return HEAD + "".join(_room(room) for room in rooms())


def _room(room: Room) -> str:
    things = "".join(_thing(name, thing) for name, thing in room.names.items())
    constants = "".join(f"* `{name}`: {in_markdown(text)}\n" for name, text in room.constants.items())
    return f"\n## {room.title}\n\n{_text(room.about)}\n{things}" + (
        f"\n### Constants of {room.title}\n\n{constants}" if constants else ""
    )


def _thing(name: str, thing: Any) -> str:
    is_class = isinstance(thing, type)
    text = f"\n### {name}\n{_signature(name, thing)}\n{_text(inspect.getdoc(thing) or '')}\n"
    if not is_class or issubclass(thing, BaseException):
        return text
    fields = attribute_texts(thing)
    members = thing if issubclass(thing, Enum) else ()
    listed = [f"* `{member.name} = {member.value!r}`\n" for member in members]
    listed += [f"* `{field}`: {in_markdown(told)}\n" for field, told in fields.items() if field[0] != "_"]
    listed += [f"* `{member}{_arguments(m)}`: {_first(m)}\n" for member, m in public_members(thing)]
    return text + ("\n" + "".join(listed) if listed else "")


def _first(member: Any) -> str:
    """The first sentence, or paragraph, of a docstring in one line."""
    return in_markdown(" ".join((inspect.getdoc(member) or "").split("\n\n")[0].split()))


def _signature(name: str, thing: Any) -> str:
    if isinstance(thing, property) or (isinstance(thing, type) and issubclass(thing, BaseException | Enum)):
        return ""
    return f"\n```text\n{name}{_arguments(thing)}\n```\n"


def _arguments(thing: Any) -> str:
    """The arguments of a call with their types and defaults; empty for a property."""
    if isinstance(thing, property) or hasattr(thing, "func"):
        return ""
    called = inspect.signature(thing)
    given = [p for name, p in called.parameters.items() if name not in ("self", "cls", "_cls")]
    told = [_argument(p) for p in given]
    return f"({', '.join(told)}){_returned(thing, called)}"


def _argument(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
    kind = "" if parameter.annotation is parameter.empty else f": {_kind(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}{kind}{default}"


def _returned(thing: Any, called: inspect.Signature) -> str:
    has_none = isinstance(thing, type) or called.return_annotation is called.empty
    return "" if has_none else f" -> {_kind(called.return_annotation)}"


def _kind(annotation: Any) -> str:
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _text(told: str) -> str:
    """A docstring as Markdown: its sections with a line in bold, what they list as a list."""
    parts = re.split(r"(?m)^(\w[\w ]*)\n-{3,}\n", told)
    out = [_paragraphs(parts[0])]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        out.append(f"**{title}**\n\n{_listed(body, title)}")
    return "\n\n".join(part for part in out if part).strip()


def _paragraphs(text: str) -> str:
    return "\n\n".join(in_markdown(" ".join(part.split())) for part in re.split(r"\n\s*\n", text.strip()))


def _listed(body: str, title: str) -> str:
    chunks = re.split(r"\n\s*\n", body.strip("\n"))
    return "\n\n".join(_paragraphs(chunk) if title == "Returns" else _items(chunk.splitlines()) for chunk in chunks)


def _items(lines: list[str]) -> str:
    """Names with what is said of them as a list; a paragraph if the lines are none."""
    if not any(line.startswith(INDENTED) or " : " in line for line in lines):
        return _paragraphs("\n".join(lines))
    items: list[list[str]] = []
    for line in lines:
        if line.startswith(INDENTED) and items:
            items[-1].append(line.strip())
        else:
            items.append([line.strip()])
    return "\n".join(f"* {_item(item)}" for item in items)


def _item(lines: list[str]) -> str:
    name, colon, rest = lines[0].partition(" : ")
    told = in_markdown(" ".join([rest, *lines[1:]] if colon else lines[1:]).strip())
    return f"`{name}`: {told}" if told else in_markdown(name)
