from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from croplayer.models.bundles import runtimes
from croplayer.models.bundles.bundle import load, load_cached, write_bundle
from croplayer.models.bundles.export import export_network
from croplayer.models.bundles.graph import example_pixels
from croplayer.models.bundles.runtimes import check_runtime, device_and_precision, runtime_version
from croplayer.models.networks.inference import predict_block
from croplayer.models.networks.layers import CLASSES
from croplayer.models.networks.manifest import Manifest, bundle_digest
from croplayer.models.networks.precision import computing_in
from croplayer.models.networks.segmentation import BANDS, build_segmenter

SIDE = 96


def bundle(tmp_path, architecture):
    network = build_segmenter(architecture, "tiny", seed=5).eval()
    if architecture == "pidnet":
        with torch.no_grad():  # Random weights give it logits of many thousands, all probabilities 0 or 1.
            network.model.head[-1].weight.mul_(1e-4)
    manifest = Manifest(
        "segmentation", architecture, "tiny", CLASSES, BANDS, network.mean, network.std, (1.0, 5.0), "-", "-"
    )
    return write_bundle(tmp_path / architecture, network.model, manifest), network


@pytest.fixture
def imagery():
    rng = np.random.default_rng(0)
    rgb = np.kron(rng.integers(0, 256, (12, 24, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
    valid = np.ones(rgb.shape[:2], dtype=bool)
    valid[:20] = False
    return rgb, valid


@pytest.mark.parametrize("architecture", ["segformer", "pidnet"])
def test_openvino_maps_what_torch_maps(architecture, tmp_path, imagery):
    pytest.importorskip("openvino")
    folder, _ = bundle(tmp_path, architecture)
    rgb, valid = imagery
    torch_network, compiled = (load(folder, device=torch.device("cpu"), runtime=r) for r in ("torch", "openvino"))
    maps = [
        predict_block(network, rgb, valid, cell_px=SIDE, halo_px=0, batch_cells=2).astype(int)
        for network in (torch_network, compiled, compiled)
    ]
    assert np.abs(maps[0] - maps[1]).max() <= 2.5
    np.testing.assert_array_equal(maps[1], maps[2])
    assert (maps[1][:20] == 254).all() and maps[1][20:].std() > 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or os.cpu_count() == 1, reason="needs Linux and two cores")
def test_openvino_binds_no_thread_to_a_core(tmp_path, imagery):
    """Block processes of one machine would share that core."""
    pytest.importorskip("openvino")
    folder, _ = bundle(tmp_path, "segformer")
    network = load(folder, runtime="openvino")
    pixels = [a.numpy() for a in example_pixels((1, 256, 256))]
    network.compiled(*pixels)
    cores = {len(os.sched_getaffinity(0))}
    with ThreadPoolExecutor(1) as other:
        passes = other.submit(lambda: [network.compiled(*pixels) for _ in range(20)])
        while not passes.done():
            for path in Path("/proc/self/task").iterdir():
                with contextlib.suppress(ProcessLookupError):
                    cores.add(len(os.sched_getaffinity(int(path.name))))
    assert cores == {len(os.sched_getaffinity(0))}


def test_nan_fails_a_block_in_openvino_too(tmp_path, imagery):
    pytest.importorskip("openvino")
    folder, _ = bundle(tmp_path, "segformer")
    network = load(folder, runtime="openvino")
    with torch.no_grad():
        network.model.decode_head.classifier.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        predict_block(network, *imagery, cell_px=SIDE, halo_px=0, batch_cells=1)


def test_a_model_is_loaded_once_for_each_runtime(tmp_path):
    pytest.importorskip("openvino")
    folder, _ = bundle(tmp_path, "pspnet")
    digest = bundle_digest(folder)
    assert load_cached(folder, digest, "openvino") is load_cached(folder, digest, "openvino")
    assert load_cached(folder, digest, "openvino") is not load_cached(folder, digest)


def test_runtimes_are_named_with_their_versions():
    assert runtime_version("torch") == f"torch {torch.__version__.split('+')[0]}"
    with pytest.raises(ValueError, match="expected one of torch, torch-bf16, openvino"):
        runtime_version("tensorflow")


def test_the_runtime_is_named_without_loading_it():
    code = (
        "import sys; from croplayer.models.bundles.runtimes import check_runtime, device_and_precision, runtime_version; runtime_version('torch');"
        "assert not {'torch', 'openvino'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_exported_graph_runs_without_croplayer(tmp_path):
    network = build_segmenter("segformer", "tiny", seed=5).eval()
    (path,) = export_network(network, tmp_path, "torch", (1, 64, 96))
    rgb, valid = example_pixels((1, 64, 96))
    valid[:, :10] = False
    with torch.inference_mode():
        expected = network(network.normalise(rgb, valid)).sigmoid()
    torch.save((rgb, valid), tmp_path / "pixels.pt")
    code = (
        "import sys, torch, warnings; warnings.simplefilter('ignore');"
        f"model = torch.export.load({str(path)!r}).module();"
        f"print(model(*torch.load({str(tmp_path / 'pixels.pt')!r})).tolist()); assert 'croplayer' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(run.stdout), expected.numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="multiples of 32"):
        export_network(network, tmp_path, "torch", (1, 64, 100))


def test_an_openvino_folder_is_whole(tmp_path):
    openvino = pytest.importorskip("openvino")
    folder, network = bundle(tmp_path, "pidnet")
    written = export_network(load(folder), tmp_path / "out", "openvino", (1, 64, 64))
    assert {p.name for p in written} == {"model.xml", "model.bin", "MODEL.md"}
    rgb, valid = example_pixels((1, 64, 64))
    found = openvino.Core().compile_model(written[0], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([rgb, valid])[0]
    with torch.inference_mode():
        expected = network(network.normalise(rgb, valid)).sigmoid().numpy()
    assert np.abs(found - expected).max() < 0.01


def test_the_precision_of_a_map_is_what_torch_computes_in():
    words = [device_and_precision(d, r) for d, r in (("cpu", "torch"), ("cuda", "torch"), ("cuda", "torch-bf16"))]
    assert words == ["cpu float32", "cuda float32", "cuda bfloat16"]
    with pytest.raises(ValueError, match="expected one of cpu, cuda"):
        device_and_precision("tpu")


def test_bfloat16_of_torch_is_refused_where_no_cuda_device_is(tmp_path, monkeypatch):
    folder, _ = bundle(tmp_path, "pspnet")
    with pytest.raises(ValueError, match="computes on CUDA devices only; use runtime 'torch' on a CPU"):
        load(folder, runtime="torch-bf16", device="cpu")
    monkeypatch.setattr(runtimes, "has_cuda", lambda: False)
    for device in ("auto", "cpu"):
        with pytest.raises(ValueError, match="this machine has none; use runtime 'torch', or say device = 'cuda'"):
            check_runtime("torch-bf16", device)
    check_runtime("torch-bf16", "cuda")
    check_runtime("torch", "auto")
    monkeypatch.setattr(runtimes, "has_cuda", lambda: True)
    check_runtime("torch-bf16", "auto")


def test_tf32_is_off_within_a_pass_alone():
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    with computing_in("float32", torch.device("cuda")):
        assert (products.allow_tf32, convolutions.allow_tf32) == (False, False)
    assert (products.allow_tf32, convolutions.allow_tf32) == before
    with computing_in("bfloat16", torch.device("cpu")):
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype == torch.bfloat16
