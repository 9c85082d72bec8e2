"""The page of all commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click

from pipelines.cli import main
from pipelines.commands.stage_group import StageOrCommand
from reference.attributes import in_markdown

HEAD = """
# Commands

The option `--help` of every command shows the same in the terminal. A command ends with 0 when all is done, with 1 when it worked and
something is damaged or unfinished, with 2 when an input or an option is wrong, and with 130 when it was interrupted.
"""
COLUMNS = "| argument or option | value | default | meaning |\n|---|---|---|---|\n"
ARGUMENT = "see above"
"""Click gives arguments no help; the text of the command explains them."""


def cli_page() -> str:
    """The page in Markdown: a section for each command, with a row for each of its arguments and options."""
    return HEAD + "".join(_section(path, command) for path, command in commands())


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by the words that call it, in the order of ``croplayer --help``."""
    context = click.Context(main, info_name="croplayer")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield from _below((name,), command, context)


def _below(
    path: tuple[str, ...], command: click.Command, parent: click.Context
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command, info_name=path[-1], parent=parent)
    if isinstance(command, StageOrCommand):
        yield path, command.stage()
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from _below((*path, name), below, context)


def _section(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=f"croplayer {' '.join(path)}")
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    rows = "".join(_row(parameter, context) for parameter in command.params)
    table = f"\n{COLUMNS}{rows}" if rows else ""
    return f"\n## croplayer {' '.join(path)}\n\n```text\n{usage}\n```\n\n{_text(command.help or '')}\n{table}"


def _text(told: str) -> str:
    """The text of a command as paragraphs, a line each."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(told).replace("\b", ""))
    return "\n\n".join(in_markdown(" ".join(paragraph.split())) for paragraph in paragraphs)


def _row(parameter: click.Parameter, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if isinstance(parameter, click.Option):
        meaning, value = parameter.help or "", "" if parameter.is_flag else _value(parameter, context)
    else:
        names = f"`{parameter.metavar or (parameter.name or '').upper()}`"
        meaning, value = ARGUMENT, _value(parameter, context)
    if getattr(parameter, "multiple", False) or parameter.nargs == -1:
        value = f"{value}, several times"
    cells = (names, value, _default(parameter), in_markdown(" ".join(meaning.split())))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _value(parameter: click.Parameter, context: click.Context) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return " or ".join(str(choice) for choice in kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        return f"{'whole number' if isinstance(kind, click.IntRange) else 'number'}, {_limits(kind)}"
    if isinstance(kind, click.Tuple):
        return f"{len(kind.types)} numbers"
    words = {"path": "path", "integer": "whole number", "float": "number", "text": "text", "filename": "path"}
    return words.get(kind.name, kind.name)


def _limits(kind: Any) -> str:
    low = None if kind.min is None else f"{'above' if kind.min_open else 'at least'} {kind.min:g}"
    high = None if kind.max is None else f"{'below' if kind.max_open else 'at most'} {kind.max:g}"
    return ", ".join(part for part in (low, high) if part)


def _default(parameter: click.Parameter) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "on" if default is True else "off"
    if default is None or default == () or callable(default) or repr(default) == "Sentinel.UNSET":
        return ""
    return f"`{', '.join(map(str, default)) if isinstance(default, tuple | list) else default}`"
