"""``python -m pipelines`` is ``croplayer``."""

from __future__ import annotations

from pipelines import stopping
from stores.garbage import collect_seldom, leave_the_rest


def main() -> None:
    """The command line; signals are handled before anything else is imported."""
    stopping.install()
    collect_seldom()
    from pipelines.cli import main as commands

    try:
        commands()
    finally:
        leave_the_rest()


if __name__ == "__main__":
    main()
