"""The included models, by name."""

from __future__ import annotations

from pathlib import Path

from croplayer.models.bundles.whole_folders import repair
from croplayer.models.networks.manifest import MANIFEST_NAME

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Folder of the included bundles; the name of a bundle is the name of its folder."""


def shipped_names() -> tuple[str, ...]:
    """Names of the included models, sorted."""
    return tuple(sorted(p.parent.name for p in SHIPPED.glob(f"*/{MANIFEST_NAME}")))


def shipped_folder(name: str) -> Path:
    """Folder of an included model; raises FileNotFoundError, which lists the included names, for any other name."""
    if name not in shipped_names():
        raise FileNotFoundError(f"no model '{name}' comes with croplayer, which has {_listed(shipped_names())}")
    return SHIPPED / name


def find_bundle(name_or_path: str | Path) -> Path:
    """Folder of a bundle, given the name of an included model or a folder that holds a manifest.

    A name takes precedence over a folder of the same name; write ``./name`` for the folder.
    Raises FileNotFoundError when the argument is neither.
    """
    if isinstance(name_or_path, str) and name_or_path in shipped_names():
        return SHIPPED / name_or_path
    repair(Path(name_or_path), MANIFEST_NAME)
    if (Path(name_or_path) / MANIFEST_NAME).is_file():
        return Path(name_or_path)
    raise FileNotFoundError(
        f"'{name_or_path}' is not a model bundle: it is neither a folder with a {MANIFEST_NAME} "
        f"nor an included model ({_listed(shipped_names())})"
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
