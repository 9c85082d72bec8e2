"""Bundles of weights trained by others, from a transformers folder or a name on a hub."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch

from croplayer.models.bundles.bundle import CONFIG_NAME, WEIGHTS_NAME, write_bundle
from croplayer.models.bundles.checkpoint_words import Checkpoint, read_words
from croplayer.models.bundles.whole_folders import check_place
from croplayer.models.networks.architectures import config_from_dict, model_class
from croplayer.models.networks.limits import LARGEST_CONFIG_BYTES, check_config, check_layout, parsed_json
from croplayer.models.networks.manifest import MANIFEST_NAME, STARTED_FROM
from croplayer.models.networks.segmentation import SegmentationNetwork

PREPROCESSOR_NAMES = ("preprocessor_config.json", "processor_config.json")
INDEX_NAME = f"{WEIGHTS_NAME}.index.json"
LARGEST_WEIGHTS = 16 * 2**30
"""Largest sum of the files of weights that is read, in bytes."""
MOST_FILES = 100
"""Largest number of files that weights are split into."""
_HUB_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(\w[\w./-]*))?")


class HubOrigin(NamedTuple):
    """A model of a hub."""

    name: str
    """owner/model."""
    revision: str
    """Its commit, whatever revision was asked for."""


def bundle_from_pretrained(
    name_or_folder: str | Path,
    folder: Path,
    *,
    gsd_m: tuple[float, float],
    training_data: str,
    licence: str,
    cropland: Sequence[str] = (),
) -> Path:
    """Write a bundle of a transformers segmentation model, so that recipes and ``load`` can use it.

    Parameters
    ----------
    name_or_folder : folder of a checkpoint, or its name on a hub, owner/model or owner/model@revision; safetensors only
    folder : folder of the bundle; an existing bundle is replaced
    gsd_m : smallest and largest ground sample distance of the training, in metres
    training_data, licence : texts for the manifest, which holds no figures because none were measured
    cropland : names or numbers of the classes that are cropland; empty takes them from the names of two classes

    Returns
    -------
    folder

    Raises
    ------
    FileNotFoundError or ValueError, in one sentence, for what is missing, damaged, too large or cannot be honoured.
    """
    check_place(folder, MANIFEST_NAME)
    network, checkpoint = segmenter_from_pretrained(name_or_folder, cropland)
    for note in checkpoint.notes:
        logging.getLogger("croplayer").info("import: %s", note)
    origin = on_a_hub(name_or_folder)
    metrics = {} if origin is None else {STARTED_FROM: origin._asdict()}
    manifest = network.described(gsd_m=gsd_m, training_data=training_data, licence=licence, metrics=metrics)
    return write_bundle(folder, network.model, manifest)


def segmenter_from_pretrained(
    name_or_folder: str | Path, cropland: Sequence[str] = ()
) -> tuple[SegmentationNetwork, Checkpoint]:
    """A segmentation network of a checkpoint of transformers, and what the checkpoint says of itself.

    Only its config.json, preprocessor_config.json and safetensors are read, and nothing outside its folder. Arguments and
    errors are those of `bundle_from_pretrained`.
    """
    folder, within = _found(name_or_folder)
    values = parsed_json(_read(folder / CONFIG_NAME, within, LARGEST_CONFIG_BYTES), str(folder / CONFIG_NAME))
    check_config(values, str(folder / CONFIG_NAME))
    checkpoint = read_words(values, _preprocessor(folder, within), cropland, str(folder))
    state = _weights(_weight_files(folder, within))
    check_layout(checkpoint.architecture, values, state, str(folder), exact=False)
    model = _filled(checkpoint.architecture, values, state, folder)
    network = SegmentationNetwork(
        checkpoint.architecture,
        "pretrained",
        model,
        mean=checkpoint.mean,
        std=checkpoint.std,
        classes=checkpoint.classes,
    )
    return network.eval(), checkpoint


def _filled(architecture: str, values: dict[str, Any], state: dict[str, torch.Tensor], folder: Path) -> Any:
    """The model with the weights; raises ValueError if one is missing, which transformers would draw at random."""
    config = config_from_dict(architecture, values | {"return_dict": True, "output_hidden_states": False})
    load: Any = model_class(architecture).from_pretrained
    model, told = load(None, config=config, state_dict=state, dtype=torch.float32, output_loading_info=True)
    for key, what in (("missing_keys", "lacks"), ("mismatched_keys", "has in another shape")):
        wrong = sorted(map(str, told.get(key, ())))
        if wrong:
            raise ValueError(
                f"{folder} {what} {len(wrong)} weights that its configuration needs, such as '{wrong[0]}'; expected the whole "
                "model for segmentation, not its encoder alone"
            )
    return model


def checkpoint_weights(name_or_folder: str | Path) -> dict[str, torch.Tensor]:
    """All weights of a checkpoint of transformers by name, of whatever model they are.

    Arguments and errors are those of `bundle_from_pretrained`.
    """
    return _weights(weight_files(name_or_folder))


def weight_files(name_or_folder: str | Path) -> list[Path]:
    """The files of safetensors of a checkpoint; arguments and errors are those of `bundle_from_pretrained`."""
    return _weight_files(*_found(name_or_folder))


def on_a_hub(name_or_folder: str | Path) -> HubOrigin | None:
    """Where a checkpoint comes from that is fetched from a hub; None for a folder, and for what is no name on a hub.

    Raises FileNotFoundError where the hub does not give it.
    """
    named = None if Path(name_or_folder).exists() else _HUB_NAME.fullmatch(str(name_or_folder))
    return named and HubOrigin(named[1], _fetched(named[1], named[2]).name)


def _found(name_or_folder: str | Path) -> tuple[Path, Path]:
    """Folder of a checkpoint, and the folder that its files must lie in; a name on a hub is fetched into the hub's cache."""
    folder = Path(name_or_folder)
    if str(name_or_folder) and folder.is_dir():
        return folder, folder.resolve()
    named = _HUB_NAME.fullmatch(str(name_or_folder))
    if folder.exists() or named is None:
        raise FileNotFoundError(
            f"{name_or_folder} is neither a folder nor the name of a model on a hub (owner/model, or owner/model@revision)"
        )
    fetched = _fetched(named[1], named[2])
    # The hub's cache keeps bytes in blobs/ beside snapshots/ and links to them.
    return fetched, fetched.parents[1].resolve()


@lru_cache(maxsize=32)
def _fetched(name: str, revision: str | None) -> Path:
    """Folder of a model of a hub in the hub's cache, named after its commit; in one process a name stands for one commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = [CONFIG_NAME, *PREPROCESSOR_NAMES, "*.safetensors", INDEX_NAME]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        place = name if revision is None else f"{name}@{revision}"
        reason = str(error).splitlines()[0]
        raise FileNotFoundError(f"{place} is not a folder, and the hub did not give it: {reason}") from error


def _read(path: Path, within: Path, largest: int) -> bytes:
    return _checked(path, within, largest).read_bytes()


def _checked(path: Path, within: Path, largest: int) -> Path:
    """A plain file inside the folder; raises FileNotFoundError or ValueError otherwise."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} has no {path.name}")
    if not path.resolve().is_relative_to(within):
        raise ValueError(f"{path} is a link to a file outside its folder; copy the file there")
    if path.stat().st_size > largest:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; expected at most {largest:,}")
    return path


def _preprocessor(folder: Path, within: Path) -> dict[str, Any] | None:
    for name in PREPROCESSOR_NAMES:
        path = folder / name
        if path.exists() or path.is_symlink():
            values = parsed_json(_read(path, within, LARGEST_CONFIG_BYTES), str(path))
            inner = values.get("image_processor")
            return inner if isinstance(inner, dict) else values
    return None


def _weight_files(folder: Path, within: Path) -> list[Path]:
    """Files of the weights of a checkpoint; raises FileNotFoundError if it has none as safetensors."""
    names = [WEIGHTS_NAME]
    if (folder / INDEX_NAME).exists():
        index = parsed_json(_read(folder / INDEX_NAME, within, 16 * LARGEST_CONFIG_BYTES), str(folder / INDEX_NAME))
        shards = index.get("weight_map")
        names = sorted(set(map(str, shards.values()))) if isinstance(shards, dict) else []
        if (
            not names
            or len(names) > MOST_FILES
            or any(not n.endswith(".safetensors") or Path(n).name != n for n in names)
        ):
            raise ValueError(
                f"{folder / INDEX_NAME} names no plain files of safetensors; expected names without folders"
            )
    elif not (folder / WEIGHTS_NAME).exists():
        raise FileNotFoundError(
            f"{folder} has no {WEIGHTS_NAME}; expected the folder of a model with its weights as safetensors (save_pretrained "
            "writes them); pickled weights are not read, because they can run code"
        )
    paths = [_checked(folder / name, within, LARGEST_WEIGHTS) for name in names]
    if sum(path.stat().st_size for path in paths) > LARGEST_WEIGHTS:
        raise ValueError(f"{folder} has more than {LARGEST_WEIGHTS:,} bytes of weights")
    return paths


def _weights(paths: Sequence[Path]) -> dict[str, torch.Tensor]:
    """All weights in some files of safetensors by name."""
    state: dict[str, torch.Tensor] = {}
    for path in paths:
        try:
            state |= safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no file of safetensors: {error}") from error
    return state
