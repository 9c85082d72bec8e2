"""The repository's pages taken apart: their code, and the words between backticks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from pipelines.cli import main
from pipelines.commands.stage_group import StageOrCommand
from shared.places import REPOSITORY

PAGES = sorted(
    [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")]
    + [*(REPOSITORY / "docs").rglob("*.md")]
)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def code(page: Path, language: str) -> list[str]:
    """The page's fenced code in a language; "" for commands."""
    return [text for _, tongue, text in FENCE.findall(page.read_text(encoding="utf-8")) if tongue == language]


def lines(page: Path) -> list[str]:
    """The page's command lines; ARCHITECTURE.md has drawings there."""
    if page.name == "ARCHITECTURE.md":
        return []
    return [line for text in code(page, "") + code(page, "bash") for line in text.splitlines() if line.strip()]


def words(line: str) -> list[str]:
    """A command line as the shell splits it, without its comment."""
    return shlex.split(line, comments=True)


def spans(page: Path) -> list[str]:
    """What stands between backticks outside of fenced code."""
    return SPAN.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def command_of(given: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words after ``croplayer`` call, and its arguments; fails if there is none."""
    command: click.Command = main
    rest = list(given)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0]) if rest else None
        if found is None and isinstance(command, StageOrCommand):
            # The stage of this name is the group itself.
            found = command.get_command(click.Context(command), "stage")
            rest.insert(0, "stage")
        if found is None:
            return command, rest
        command, rest = found, rest[1:]
    return command, rest


def options_of(command: click.Command) -> Iterator[str]:
    for parameter in command.get_params(click.Context(command)):
        yield from (*parameter.opts, *parameter.secondary_opts)
