"""What a checkpoint of transformers says of itself: its classes, and how its pictures are prepared.

Everything that matters to a map is used, or refused in a sentence. Nothing is built or downloaded here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from croplayer.models.networks.architectures import MODEL_CLASSES
from croplayer.models.networks.cells import STRIDE_PX
from croplayer.models.networks.layers import CLASSES
from croplayer.models.networks.limits import MOST_CLASSES
from croplayer.models.networks.segmentation import IMAGE_MEAN, IMAGE_STD

CROPLAND_NAMES = frozenset(
    [
        "agricultural",
        "agriculture",
        "arable",
        "crop",
        "cropfield",
        "cropland",
        "crops",
        "cropped",
        "cultivated",
        "farmland",
        "field",
        "fields",
        "parcel",
        "parcels",
        "agriculturalland",
        "agricultureland",
        "arableland",
        "cultivatedland",
        "agriculturalfield",
        "agriculturalfields",
    ]
)
"""Names, without spaces and signs, that say cropland."""
OTHER_NAMES = frozenset(
    [
        "background",
        "bg",
        "other",
        "others",
        "rest",
        "none",
        "unlabeled",
        "unlabelled",
        "notcropland",
        "noncropland",
        "nocropland",
        "notcrop",
        "noncrop",
        "nocrop",
        "notfield",
        "nonfield",
        "nofield",
        "nonagricultural",
        "nonagriculture",
        "notagriculture",
        "nofields",
        "notfarmland",
        "nonfarmland",
    ]
)
"""Names that say everything else."""
_NO_NAME = re.compile(r"(label|class)?_?\d+")
_PREPARED = {"do_resize", "do_rescale", "do_normalize", "do_reduce_labels", "do_convert_rgb", "do_pad"}
_REFUSED = {
    "quantization_config": "its weights are quantised",
    "auto_map": "it needs code of its own, which is not run",
    "base_model_name_or_path": "it is an adapter of another model",
    "peft_type": "it is an adapter of another model",
}


class Checkpoint(NamedTuple):
    """What is needed to use the weights of others."""

    architecture: str
    names: tuple[str, ...]
    """Class names by index."""
    cropland: tuple[int, ...]
    """Indices of the classes that are cropland."""
    mean: tuple[float, ...]
    """Per band, subtracted from values in 0..1."""
    std: tuple[float, ...]
    """Per band, the divisor of the difference."""
    notes: tuple[str, ...]
    """What was assumed or taken over, one sentence each."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Cropland or not, by index, as a manifest names them."""
        return tuple(CLASSES[1] if i in self.cropland else CLASSES[0] for i in range(len(self.names)))


def read_words(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any] | None, chosen: Sequence[str], origin: str
) -> Checkpoint:
    """What config.json and preprocessor_config.json say.

    Parameters
    ----------
    config, preprocessor : their values; None if there is no preprocessor_config.json
    chosen : names or indices of the classes that are cropland, given by a person; empty takes them from the names
    origin : where the files are, for messages

    Raises
    ------
    ValueError, in one sentence, for what cannot be honoured or is not clear.
    """
    architecture = str(config.get("model_type", ""))[:60]
    if architecture not in MODEL_CLASSES:
        raise ValueError(f"{origin} holds a model of type '{architecture}'; expected one of {', '.join(MODEL_CLASSES)}")
    for key, why in _REFUSED.items():
        if config.get(key):
            raise ValueError(f"{origin} cannot be used: {why} (config.json, '{key}')")
    backbone = config.get("backbone_config")
    for values in (config, backbone if isinstance(backbone, Mapping) else {}):
        channels = values.get("num_channels", 3)
        if channels != 3:
            raise ValueError(f"{origin} reads pictures of {channels} bands; expected 3: red, green and blue")
    names = _class_names(config, origin)
    prepared = dict(preprocessor or {})
    cropland, notes = _cropland(names, chosen, bool(_reduces_labels(prepared)), origin)
    _check_ignored(config, prepared, len(names), origin)
    mean, std = _normalisation(prepared, origin)
    _check_preparation(prepared, origin)
    if preprocessor is None:
        notes.append(
            "there is no preprocessor_config.json; pixels are normalised with the usual mean and spread of ImageNet"
        )
    if prepared.get("do_resize"):
        notes.append(
            "its preprocessor resizes pictures; --gsd is the pixel size after that, because croplayer resamples to it instead"
        )
    return Checkpoint(architecture, names, cropland, mean, std, tuple(notes))


def _class_names(config: Mapping[str, Any], origin: str) -> tuple[str, ...]:
    labels, numbers = config.get("id2label"), config.get("label2id")
    stated = config.get("num_labels")
    if labels is None:
        count = 2 if stated is None else stated
        labels = (
            {str(i): f"LABEL_{i}" for i in range(count)} if isinstance(count, int) and 0 < count <= MOST_CLASSES else {}
        )
    try:
        by_index = {int(index): str(name) for index, name in labels.items()}
        back = {str(name): int(index) for name, index in (numbers or {}).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{origin}: id2label and label2id in config.json are no lists of classes: {error}") from error
    if sorted(by_index) != list(range(len(by_index))) or not 2 <= len(by_index) <= MOST_CLASSES:
        raise ValueError(
            f"{origin}: config.json names the classes {_listed(by_index.values())} at {_listed(map(str, by_index))}; expected "
            f"2 to {MOST_CLASSES} classes, numbered from 0"
        )
    if stated is not None and stated != len(by_index):
        raise ValueError(f"{origin}: config.json says num_labels {stated} and names {len(by_index)} classes")
    names = tuple(by_index[i] for i in range(len(by_index)))
    if not all(name.isprintable() and len(name) <= 200 for name in names):
        raise ValueError(
            f"{origin}: config.json has a class name with signs that cannot be printed, or a very long one"
        )
    wrong = [name for name, index in back.items() if by_index.get(index) != name]
    if wrong and len(set(names)) == len(names):
        raise ValueError(
            f"{origin}: id2label and label2id in config.json disagree about '{wrong[0]}'; correct one of them, so that it is "
            "known which class is cropland"
        )
    return names


def _cropland(
    names: Sequence[str], chosen: Sequence[str], reduces_labels: bool, origin: str
) -> tuple[tuple[int, ...], list[str]]:
    listed = ", ".join(f"{i} {name}" for i, name in list(enumerate(names))[:20]) + (" ..." if len(names) > 20 else "")
    say = "say which classes are cropland with --cropland NAME (or its number), once for each"
    if chosen:
        found = tuple(sorted({_index_of(name, names, listed, origin) for name in chosen}))
        if len(found) == len(names):
            raise ValueError(f"{origin}: all classes ({listed}) are named as cropland; leave at least one out")
        return found, [f"cropland is {_listed(names[i] for i in found)}; the other classes are not"]
    if len(names) > 2:
        raise ValueError(f"{origin} has {len(names)} classes ({listed}); {say}")
    plain = [re.sub(r"[\W_]+", "", name.casefold()) for name in names]
    says_crop = [name in CROPLAND_NAMES for name in plain]
    says_other = [name in OTHER_NAMES for name in plain]
    if sum(says_crop) == 1:
        index = says_crop.index(True)
        return (index,), [f"cropland is class {index}, '{names[index]}'; class {1 - index} is '{names[1 - index]}'"]
    if all(_NO_NAME.fullmatch(name.casefold()) for name in names) and not reduces_labels:
        return (1,), [
            f"the class names ({listed}) say nothing, so class 1 is taken as cropland; --cropland says otherwise"
        ]
    if sum(says_other) == 1 and not any(says_crop):
        other = names[says_other.index(False)]
        raise ValueError(f"{origin} has the classes {listed}, and whether '{other}' is cropland is not clear; {say}")
    raise ValueError(f"{origin} has the classes {listed}, and which is cropland is not clear; {say}")


def _index_of(name: str, names: Sequence[str], listed: str, origin: str) -> int:
    places = [i for i, known in enumerate(names) if known.casefold() == name.casefold()]
    if len(places) == 1:
        return places[0]
    if name.isdecimal() and len(name) < 6 and int(name) < len(names):
        return int(name)
    raise ValueError(f"{origin} has no class '{name}', or several of that name; it has {listed}")


def _reduces_labels(prepared: Mapping[str, Any]) -> Any:
    return prepared.get("do_reduce_labels") or prepared.get("reduce_labels")


def _check_ignored(config: Mapping[str, Any], prepared: Mapping[str, Any], count: int, origin: str) -> None:
    """A class that the training left out is answered at random."""
    for where, values, key in (
        ("config.json", config, "semantic_loss_ignore_index"),
        ("config.json", config, "ignore_value"),
        ("preprocessor_config.json", prepared, "ignore_index"),
    ):
        index = values.get(key)
        if (
            isinstance(index, int)
            and not isinstance(index, bool)
            and 0 <= index < count
            and not _reduces_labels(prepared)
        ):
            raise ValueError(
                f"{origin}: {where} says '{key}' {index}, so class {index} was left out of the training and the answers for it "
                "mean nothing; expected a model that learned all of its classes"
            )


def _normalisation(prepared: Mapping[str, Any], origin: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and spread for values in 0..1 that give what the preprocessor gives: ((pixel x factor) - mean) / std."""
    where = f"{origin}: preprocessor_config.json"
    factor = _number(prepared.get("rescale_factor", 1 / 255), f"{where} field 'rescale_factor'")
    factor = factor if prepared.get("do_rescale", True) else 1.0
    if factor <= 0:
        raise ValueError(f"{where} field 'rescale_factor' is {factor}; expected a number above 0")
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    if prepared.get("do_normalize", True):
        mean = _three(prepared.get("image_mean", IMAGE_MEAN), f"{where} field 'image_mean'")
        std = _three(prepared.get("image_std", IMAGE_STD), f"{where} field 'image_std'")
    if min(std) <= 0:
        raise ValueError(f"{where} field 'image_std' is {std}; expected numbers above 0")
    scale = 255 * factor
    if math.isclose(scale, 1, rel_tol=1e-9):
        return mean, std
    return tuple(m / scale for m in mean), tuple(s / scale for s in std)


def _check_preparation(prepared: Mapping[str, Any], origin: str) -> None:
    where = f"{origin}: preprocessor_config.json"
    for key, value in prepared.items():
        if key.startswith("do_") and value and key not in _PREPARED:
            raise ValueError(f"{where} says '{key}', which croplayer does not do; the model would see other pictures")
    for key in ("size_divisor", "size_divisibility"):
        divisor = prepared.get(key) or 1
        if not isinstance(divisor, int) or STRIDE_PX % divisor:
            raise ValueError(
                f"{where} needs sides that are multiples of {divisor} px ('{key}'); croplayer gives multiples of {STRIDE_PX}"
            )
    if prepared.get("channel_order", "rgb") not in ("rgb", "RGB", None):
        raise ValueError(
            f"{where} says that bands come as {prepared['channel_order']}; croplayer gives red, green, blue"
        )


def _three(value: Any, what: str) -> tuple[float, ...]:
    values = [value] * 3 if isinstance(value, (int, float)) else value
    if not isinstance(values, Collection) or isinstance(values, str) or len(values) != 3:
        raise ValueError(f"{what} is {str(value)[:60]}; expected one number for each of red, green and blue")
    return tuple(_number(v, what) for v in values)


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > 1e6:
        raise ValueError(f"{what} is {str(value)[:60]}; expected a number")
    return float(value)


def _listed(names: Any) -> str:
    return ", ".join(list(names)[:20]) or "none"
