"""Pins of the lowest versions that pyproject.toml allows, one a line, as a constraints file of pip.

    python -m benchmarks.lowest > lowest.txt

The lower bound of every dependency and of every extra becomes a pin. What only tests and tools need stays at the
version of constraints.txt, and so does torch: builds of older versions for CPUs alone are not on the package index.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = frozenset({"test", "docs", "bench", "dev"})
"""Extras of those who work on croplayer."""
KEPT = frozenset({"torch"})
"""Other packages that stay at the version of constraints.txt."""
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*>=\s*(?P<version>[0-9.]+)")
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)$", re.M)


def lowest_pins(pyproject: str, constraints: str) -> dict[str, str]:
    """Version by name of package, from the texts of pyproject.toml and constraints.txt.

    Raises ValueError for a requirement without a lower bound.
    """
    project = tomllib.loads(pyproject)["project"]
    pinned = {_plain(m["name"]): m["version"] for m in _PIN.finditer(constraints)}
    pins = {}
    for extra, needs in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for requirement in needs:
            if requirement.startswith(f"{project['name']}["):
                continue
            match = _REQUIREMENT.match(requirement)
            if match is None:
                raise ValueError(f"pyproject.toml requires '{requirement}'; expected a lower bound, such as numpy>=2.1")
            name = _plain(match["name"])
            newest = extra in TOOLS or name in KEPT
            pins[name] = pinned.get(name, match["version"]) if newest else match["version"]
    return pins


def _plain(name: str) -> str:
    """Name of a package as every spelling of it compares equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    texts = ((REPOSITORY / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt"))
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in sorted(lowest_pins(*texts).items()))
