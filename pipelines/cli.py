"""The command line: the group of all commands, their lookup by name, and the handling of their errors.

A command is imported when it is called, so that ``croplayer --help`` starts fast.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from typing import Any, NamedTuple

import click

from pipelines import stopping
from pipelines.console import printable_streams
from pipelines.exit_codes import BAD_INPUT, INTERRUPTED
from pipelines.extras import missing_package
from pipelines.stages.order import STAGES
from stores import __version__
from stores.near_names import did_you_mean


class _Entry(NamedTuple):
    """Where a command is defined."""

    module: str
    name: str
    about: str
    """Its description in ``croplayer --help``."""


COMMANDS = {
    "run": _Entry("run", "run", "Run all stages of RECIPE."),
    "init": _Entry("init", "init", "Write a first recipe from your own files."),
    "schema": _Entry("init", "schema", "Print the JSON schema of recipes, for editors."),
    "plan": _Entry("plan", "plan", "Show what a run would take, and what would be redone and why."),
    "explain": _Entry("plan", "explain", "Explain why steps of a run would be done or redone."),
    "status": _Entry("status", "status", "Show the progress of a run, also while it is running."),
    "demo": _Entry("run", "demo", "Make a small synthetic country and map it."),
    "view": _Entry("view", "view", "Open a map of a run in the browser."),
    "paper": _Entry("paper", "paper", "Draw the figures and tables of the paper for a run."),
    "query": _Entry("query", "query", "Cut a region out of a run's cube into a file."),
    "package": _Entry("package", "package", "Write county packages of a run: files for offices, province by province."),
    "publish": _Entry("publish", "publish", "Write a STAC catalog of a run."),
    "snapshot": _Entry("snapshot", "snapshot", "Publish an edition as a read-only copy in a folder or bucket."),
    "verify": _Entry("check", "verify", "Check every byte of a run against its ledger, or of a snapshot."),
    "doctor": _Entry("check", "doctor", "Check whether this machine, a recipe or a bucket is fit for a run."),
    "data": _Entry("data", "data", "Say where the public data of the included recipes come from, and what is missing."),
    "judge": _Entry("judge", "judge", "Judge the masks, or draw blocks for people to review."),
    "fields": _Entry("fields", "fields", "Find single fields, or tell what became of those of an earlier run."),
    "label": _Entry("label", "label", "Choose what people label next, and read what they drew."),
    "change": _Entry("change", "change", "Compare two editions of the map, and tell changes from noise."),
    "area": _Entry("area", "area", "Estimate areas with confidence intervals from a reviewed sample."),
    "models": _Entry("models", "models", "Train, import, evaluate, compare and export models."),
    "landscape": _Entry("landscape", "landscape", "Make synthetic countries and serve their tiles."),
}
"""The commands other than the stages, which are listed in ``pipelines.stages.order``."""


class _Commands(click.Group):
    """Finds commands by name, and turns the errors that a user can cause into one sentence and an exit code."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [*COMMANDS, *(stage.name for stage in STAGES if stage.name not in COMMANDS)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            entry = COMMANDS[name]
            command: click.Command = getattr(import_module(f"pipelines.commands.{entry.module}"), entry.name)
            return command
        if any(stage.name == name for stage in STAGES):
            from pipelines.commands.run import stage_command

            return stage_command(name)
        return None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.about) for name, entry in COMMANDS.items()])
        with formatter.section("Single stages, in the order of a run"):
            formatter.write_dl([(stage.name, _sentence(stage.about)) for stage in STAGES])

    def invoke(self, context: click.Context) -> Any:
        try:
            stopping.begin()
            with printable_streams():
                return self._invoke(context)
        except BaseException:
            # Whatever comes up on the way to the end of a command that was stopped only tells of that.
            if stopping.is_requested():
                stopping.end()
            raise

    def _invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except click.UsageError as error:
            raise _with_meant_command(error) from None
        # click ends --help and prompts with RuntimeErrors of its own, and knows what to do with a closed pipe.
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except (ValueError, OSError, RuntimeError) as error:
            if stopping.is_requested():
                raise
            for line in (_bucket_error(error) or str(error)).splitlines() or [type(error).__name__]:
                click.echo(f"croplayer: {line}", err=True)
            context.exit(BAD_INPUT)
        except ModuleNotFoundError as error:
            sentence = missing_package(f"croplayer {context.invoked_subcommand}", error)
            if sentence is None:
                raise
            click.echo(sentence, err=True)
            context.exit(BAD_INPUT)
        except Exception as error:
            sentence = _bucket_error(error)
            if sentence is None or stopping.is_requested():
                raise
            click.echo(f"croplayer: {sentence}", err=True)
            context.exit(BAD_INPUT)
        except KeyboardInterrupt:
            if stopping.is_requested():
                raise
            click.echo(stopping.SENTENCE, err=True)
            context.exit(INTERRUPTED)


def _bucket_error(error: Exception) -> str | None:
    """What an error of a bucket says in its first line, such as which address gave no answer; None for other errors."""
    # Some are of Python's own classes, others share none with them; all go on with what only their library understands.
    said, mark, _ = str(error).partition("\n\nDebug source:")
    return said.partition("\n")[0] if mark else None


def _with_meant_command(error: click.UsageError) -> click.UsageError:
    """An error that asks after the command that was meant, where a name is that of none.

    click does so itself for groups that hold their commands; this one finds them by name.
    """
    group = error.ctx.command if error.ctx else None
    if not (isinstance(group, _Commands) and error.ctx and error.message.startswith("No such command")):
        return error
    hint = did_you_mean(error.message.split("'")[1], group.list_commands(error.ctx))
    return click.UsageError(error.message.removesuffix(".") + hint, error.ctx)


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


@click.group(cls=_Commands)
@click.version_option(__version__)
def main() -> None:
    """Map cropland from two imagery sources, block by block, and evaluate the maps."""
    # Threads of torch that spin while they wait are many times slower where other processes share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    messages = logging.getLogger("croplayer")
    messages.setLevel(logging.INFO)
    if not messages.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        messages.addHandler(handler)
