"""Description of a model for readers (a model card) and for catalogues (STAC machine learning model fields)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from croplayer.models.networks.manifest import RANDOM, STARTED_FROM, Manifest

CARD_NAME = "README.md"
MLM_NAME = "stac_mlm.json"
MLM_EXTENSION = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"

_TASKS = {"segmentation": "semantic-segmentation", "coverage": "classification"}


def model_card(manifest: Manifest) -> str:
    """The model card in Markdown: purpose, training data, validation and how to load the model."""
    low, high = manifest.ground_sample_distance_m
    lines = [
        f"# {manifest.architecture} {manifest.size}: {manifest.kind}",
        "",
        f"* Classes: {', '.join(manifest.classes)}",
        f"* Bands: {', '.join(manifest.bands)}; uint8 / 255, minus {list(manifest.mean)}, over {list(manifest.std)}",
        f"* Ground sample distance: {low:g} to {high:g} m",
        f"* Training data: {manifest.training_data}",
        f"* Licence: {manifest.licence}",
        *_started_from(manifest),
        *(
            ["* Queries: each was taught one field, so they tell the boundaries of fields"]
            if manifest.instances
            else []
        ),
        f"* Written by: {', '.join(f'{name} {version}' for name, version in sorted(manifest.versions.items()))}",
        "",
        "## Validation",
        "",
        *_figures(manifest),
        "",
        "## Use",
        "",
        "```python",
        "import croplayer.models",
        "",
        'model = croplayer.models.load("path/to/this/folder")',
        "```",
        "",
        "A model that comes with croplayer is also loaded by the name of its folder.",
        "",
    ]
    return "\n".join(lines)


def _started_from(manifest: Manifest) -> list[str]:
    words = manifest.metrics.get(STARTED_FROM)
    if not words:
        return []
    if "revision" in words:
        verb = "Started from" if manifest.recipe else "Imported from"
        return [f"* {verb} {words['name']} of a hub, revision {words['revision']}"]
    return [
        f"* Started from {words['name']}, which learned from: {words['training_data']}. Its licence: {words['licence']}"
    ]


def validation_words(validation: Mapping[str, Any]) -> str:
    """Which scenes the figures of a segmentation were measured on, and which models were trained on them."""
    folds = len(validation.get("folds", ()))
    if folds:
        return (
            f"Each scene is judged by one of {folds} models of the same recipe that never saw it; the weights here "
            f"learned from all scenes (split: {validation['split']}; threshold {validation['threshold']})."
        )
    return f"Scenes never trained on (split {validation['split']}), threshold {validation['threshold']}."


def _figures(manifest: Manifest) -> list[str]:
    validation = manifest.metrics.get("validation")
    if manifest.kind == "coverage" and "accuracy" in manifest.metrics:
        m = manifest.metrics
        return [f"Accuracy {m['accuracy']} on {m['n_validation']} samples ({m['split']})."]
    if not validation:
        return ["Not validated."]
    judged = "models of the folds" if validation.get("folds") else "model"
    rows = [(judged, validation["pooled"]), *((name, validation[name]) for name in ("all_field", "no_field"))]
    rows += list(validation["by_scene"].items())
    columns = ("iou", "boundary_iou", "f1")
    return [
        validation_words(validation),
        "",
        f"| | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
        *(
            f"| {name} | {' | '.join('-' if row[c] is None else f'{row[c]:.3f}' for c in columns)} |"
            for name, row in rows
        ),
        *_reliability(validation),
        *_open_water(manifest.metrics.get("open_water")),
    ]


def _reliability(validation: Mapping[str, Any]) -> list[str]:
    calibration = validation.get("calibration")
    if not calibration:
        return []
    after, before = (
        ", ".join("-" if e is None else f"{e:.3f}" for e in calibration[key]) for key in ("expected_error", "before")
    )
    many = len(calibration["before"]) > 1
    others = " (fitted on the other folds for these figures)" if many else " (fitted on the same scenes)"
    return [
        "",
        f"Probabilities are divided by the temperature {calibration['temperature']:g} in the logit. Expected calibration error: "
        f"{after} with a temperature{others}, {before} without.",
    ]


def _open_water(water: Mapping[str, Any] | None) -> list[str]:
    if not water or water["mapped_as_cropland"] is None:
        return []
    shares = [share for share in water["by_scene"].values() if share is not None]
    return [
        "",
        f"Of open water away from shores, in the half of the images whose water it never learned, this model maps {water['mapped_as_cropland']:.1%} as "
        f"cropland ({min(shares):.1%} to {max(shares):.1%} in {len(shares)} images).",
    ]


def mlm_properties(manifest: Manifest, n_parameters: int) -> dict[str, Any]:
    """Properties of a STAC item, after the machine learning model extension 1.4.

    ``mlm:pretrained`` is False for weights that a training recipe made from random ones. It is True for a training that
    started from known weights, and for weights of others, whose manifest has no recipe; ``mlm:pretrained_source`` is then the
    model that it started from, or the stated training data.
    """
    task = _TASKS[manifest.kind]
    segmentation = manifest.kind == "segmentation"
    result = (
        {"shape": [-1, len(manifest.classes), -1, -1], "dim_order": ["batch", "class", "height", "width"]}
        if segmentation
        else {"shape": [-1, len(manifest.classes)], "dim_order": ["batch", "class"]}
    )
    return {
        "stac_extensions": [MLM_EXTENSION],
        "mlm:name": f"croplayer {manifest.kind} {manifest.architecture} {manifest.size}",
        "mlm:architecture": manifest.architecture,
        "mlm:tasks": [task],
        "mlm:framework": "pytorch",
        "mlm:framework_version": manifest.versions.get("torch", ""),
        "mlm:total_parameters": n_parameters,
        **_origin(manifest),
        "mlm:input": [
            {
                "name": "red, green, blue",
                "bands": list(manifest.bands),
                "input": {
                    "shape": [-1, len(manifest.bands), -1, -1],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": [
                    {"type": "z-score", "mean": round(255 * m, 4), "stddev": round(255 * s, 4)}
                    for m, s in zip(manifest.mean, manifest.std, strict=True)
                ],
            }
        ],
        "mlm:output": [
            {
                "name": manifest.kind,
                "tasks": [task],
                "result": result | {"data_type": "float32"},
                "classification:classes": [{"value": i, "name": name} for i, name in enumerate(manifest.classes)],
            }
        ],
        "mlm:hyperparameters": dict(manifest.recipe),
        "license": manifest.licence,
    }


def _origin(manifest: Manifest) -> dict[str, Any]:
    if manifest.recipe and manifest.recipe.get("start", RANDOM) == RANDOM:
        return {"mlm:pretrained": False}
    words = manifest.metrics.get(STARTED_FROM, {})
    source = words.get("name", manifest.training_data)
    if "revision" in words:
        source = f"{source}@{words['revision']}"
    return {"mlm:pretrained": True, "mlm:pretrained_source": source}


def mlm_json(manifest: Manifest, n_parameters: int) -> bytes:
    """``mlm_properties`` as JSON in UTF-8, keys sorted."""
    return (json.dumps(mlm_properties(manifest, n_parameters), indent=2, sort_keys=True) + "\n").encode()
