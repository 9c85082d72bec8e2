"""``python -m pipelines`` is ``croplayer``."""

from __future__ import annotations

from pipelines import stopping


def main() -> None:
    """The command line; signals are handled before anything else is imported."""
    stopping.install()
    from pipelines.cli import main as commands

    commands()


if __name__ == "__main__":
    main()
