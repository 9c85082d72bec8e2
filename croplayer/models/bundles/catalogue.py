"""The models that come with croplayer, by name."""

from __future__ import annotations

from pathlib import Path

from croplayer.models.networks.manifest import MANIFEST_NAME

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Folder of the bundles in the package; a bundle's name is its folder's."""


def shipped_names() -> tuple[str, ...]:
    """Names of the models that come with croplayer, sorted."""
    return tuple(sorted(p.parent.name for p in SHIPPED.glob(f"*/{MANIFEST_NAME}")))


def shipped_folder(name: str) -> Path:
    """Folder of a model that comes with croplayer; raises FileNotFoundError that names those there are."""
    if name not in shipped_names():
        raise FileNotFoundError(f"no model '{name}' comes with croplayer, which has {_listed(shipped_names())}")
    return SHIPPED / name


def find_bundle(name_or_path: str | Path) -> Path:
    """Folder of a bundle: the name of one that comes with croplayer, or a folder that holds a manifest.

    A name wins over a folder called the same; ``./name`` is the folder.
    Raises FileNotFoundError when it is neither.
    """
    if isinstance(name_or_path, str) and name_or_path in shipped_names():
        return SHIPPED / name_or_path
    if (Path(name_or_path) / MANIFEST_NAME).is_file():
        return Path(name_or_path)
    raise FileNotFoundError(
        f"'{name_or_path}' is no model bundle: no folder with a {MANIFEST_NAME}, "
        f"and not one of those that come with croplayer ({_listed(shipped_names())})"
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
