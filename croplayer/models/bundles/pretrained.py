"""Bundles of weights that others trained: a folder of transformers, or its name on a hub."""

from __future__ import annotations

from pathlib import Path

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.networks.segmentation import segmenter_from_pretrained


def bundle_from_pretrained(
    name_or_folder: str | Path, folder: Path, *, gsd_m: tuple[float, float], training_data: str, licence: str
) -> Path:
    """Write a bundle of a segmentation model of transformers, so that recipes and ``load`` can use it.

    Parameters
    ----------
    name_or_folder : what ``from_pretrained`` reads; safetensors only, two classes, cropland at index 1
    folder : where the bundle goes; replaced when it exists
    gsd_m : smallest and largest ground sample distance that it was trained at, in metres
    training_data, licence : for the manifest; no figures are stated, because none were measured

    Returns
    -------
    folder
    """
    network = segmenter_from_pretrained(name_or_folder)
    manifest = network.described(gsd_m=gsd_m, training_data=training_data, licence=licence)
    return write_bundle(folder, network.model, manifest)
