"""A group of commands that is also a stage."""

from __future__ import annotations

import click


class StageOrCommand(click.Group):
    """A group that is also the stage of its name: ``judge RECIPE`` is the stage, ``judge sample RUN`` a command."""

    STAGE = "stage"

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name == self.STAGE:
            return self.stage()
        return super().get_command(context, name)

    def stage(self) -> click.Command:
        """The command of the stage."""
        from pipelines.commands.run import stage_command

        return stage_command(str(self.name))

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [self.STAGE, *args]
        return super().parse_args(context, args)
