"""Bundles of weights trained by others, from a transformers folder or a name on a hub."""

from __future__ import annotations

from pathlib import Path

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.networks.segmentation import segmenter_from_pretrained


def bundle_from_pretrained(
    name_or_folder: str | Path, folder: Path, *, gsd_m: tuple[float, float], training_data: str, licence: str
) -> Path:
    """Write a bundle of a transformers segmentation model, so that recipes and ``load`` can use it.

    Parameters
    ----------
    name_or_folder : argument of ``from_pretrained``; safetensors only, two classes, cropland at index 1
    folder : folder of the bundle; an existing one is replaced
    gsd_m : smallest and largest ground sample distance of the training, in metres
    training_data, licence : texts for the manifest, which holds no metrics because none were measured

    Returns
    -------
    folder
    """
    network = segmenter_from_pretrained(name_or_folder)
    manifest = network.described(gsd_m=gsd_m, training_data=training_data, licence=licence)
    return write_bundle(folder, network.model, manifest)
