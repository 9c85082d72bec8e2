"""The command line itself: what every command says of itself, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.exit_codes import BAD_INPUT


def commands(command: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


@pytest.mark.parametrize("path", [*commands(), ("judge", "stage"), ("fields", "stage")], ids=" ".join)
def test_every_command_tells_what_it_does(path: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*path, "--help"])
    assert told.exit_code == 0
    assert told.stderr == ""
    assert told.stdout.startswith("Usage: ")
    about = told.stdout.splitlines()[2]
    assert about.strip(), f"`croplayer {' '.join(path)} --help` does not say what the command is for"


def test_what_is_wrong_is_one_sentence_and_an_exit_code() -> None:
    told = CliRunner().invoke(main, ["plan", "no_such_recipe"])
    assert told.exit_code == BAD_INPUT
    assert told.stderr.startswith("croplayer: recipe 'no_such_recipe' is neither a recipe file")
    assert len(told.stderr.splitlines()) == 1
