"""The page of commands: every command, argument, option and default of the command line."""

from __future__ import annotations

import re

import click
from shared.places import REPOSITORY

from pipelines.cli import main
from pipelines.commands.stage_group import StageOrCommand
from reference.cli_page import commands

PAGE = (REPOSITORY / "docs/cli.md").read_text(encoding="utf-8")


def every_command(command: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    found = [(path, command.stage())] if isinstance(command, StageOrCommand) else []
    for name in command.list_commands(click.Context(command)):
        below = command.get_command(click.Context(command), name)
        assert below is not None
        found += every_command(below, (*path, name))
    return found


def sections() -> dict[str, str]:
    parts = re.split(r"(?m)^## (croplayer .+)$", PAGE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_one_section_in_the_order_of_the_help() -> None:
    names = [" ".join(("croplayer", *path)) for path, _ in every_command(main, ())]
    assert list(sections()) == names == [" ".join(("croplayer", *path)) for path, _ in commands()]
    assert len(names) > 30


def test_every_argument_option_and_default_is_told() -> None:
    told = sections()
    for path, command in every_command(main, ()):
        text = told[" ".join(("croplayer", *path))]
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert len(rows) == len(command.params), path
        for parameter, row in zip(command.params, rows, strict=True):
            if isinstance(parameter, click.Option):
                assert all(f"`{name}`" in row for name in (*parameter.opts, *parameter.secondary_opts)), (path, row)
                assert parameter.help and " ".join(parameter.help.split()).replace("|", "\\|").replace("``", "`") in row
            if parameter.required:
                assert "| required |" in row, (path, row)
            if isinstance(parameter, click.Option) and parameter.is_flag:
                assert "| off |" in row, (path, row)
            elif isinstance(parameter.default, int | float | str) and parameter.default != "":
                assert f"| `{parameter.default}` |" in row, (path, row)
        assert "Usage" not in text and "Sentinel" not in text


def test_choices_and_limits_are_told() -> None:
    for path, command in every_command(main, ()):
        for parameter in command.params:
            if isinstance(parameter.type, click.Choice):
                assert all(
                    str(choice) in sections()[" ".join(("croplayer", *path))] for choice in parameter.type.choices
                )
    assert re.search(r"\| `--workers` \| whole number, at least 1 \|", sections()["croplayer run"])
