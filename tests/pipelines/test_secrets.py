"""A whole run over HTTP with a token: what it says and what it leaves is searched for the token."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from shared.commands import croplayer
from shared.small_recipes import recipe_without_training

from croplayer.landscape.server import Fault, FaultRule, TileServer, serve

TOKEN = "canary-9c4e/+ x"
SOURCE = """
kind = "http"
template = "URL?key={token}"
token_env = "CROPLAYER_TOKEN_TILES"
i_have_rights = true
requests_per_s = 1000
deadline_s = 5
patience_s = 1
tries = 1
cache = "CACHE"
"""
"""Impatient, so that a provider that fails makes blocks fail."""


def recipe_over_http(server: TileServer, country: Path, cache: Path) -> str:
    """The small recipe with tiles of the server and models that come along."""
    text = recipe_without_training(country)
    for source in ("aster", "borealis"):
        wanted = SOURCE.replace("URL", server.url(source)).replace("CACHE", str(cache)).strip()
        text = re.sub(rf'kind = "tiles"\ntemplate = ".*/{source}/.*"', lambda _, wanted=wanted: wanted, text)
    return text


def is_told(path: Path) -> bool:
    """Whether a file holds the token, as bytes or in the columns of a compressed table."""
    if b"canary" in path.read_bytes():
        return True
    return path.suffix == ".parquet" and "canary" in pd.read_parquet(path).to_csv()


def test_the_token_is_in_nothing_that_a_whole_run_says_or_leaves(
    country: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the provider is out, while some of its tiles fail, and when it is well."""
    monkeypatch.setenv("CROPLAYER_TOKEN_TILES", TOKEN)
    recipe, out, cache = tmp_path / "http.toml", tmp_path / "run", tmp_path / "tiles"
    with serve(country / "tiles") as server:
        recipe.write_text(recipe_over_http(server, country, cache), encoding="utf-8")
        run = ("run", recipe, "-o", out, "--workers", 1)
        said = []
        some = [FaultRule(Fault.TRUNCATED, 0.13), FaultRule(Fault.SERVER_ERROR, 0.01)]
        for faults, code in ([FaultRule(Fault.SERVER_ERROR)], 2), (some, 1), ([], 0):
            server.switch(*faults)
            done = croplayer(*run, models=tmp_path / "models", check=False)
            assert done.returncode == code, done.stdout + done.stderr
            said += [done.stdout, done.stderr]
        assert server.requests.total() > 20
    answered = r"croplayer: recipe \S+: \[\[sources\]\] \d: tile \S+ of 127.0.0.1 was answered with status 500\n"
    assert re.fullmatch(f"({answered}){{2}}", said[1])
    assert re.search(r"^mosaic \w+ failed: ConnectionError: tile \S+ of 127.0.0.1 could not be fetched", said[3], re.M)
    assert re.search(r"^mosaic \w+ failed: .* was answered with status 500$", said[3], re.M)
    assert "Warning" not in "".join(said)
    left = [p for p in [*out.rglob("*"), *cache.rglob("*")] if p.is_file()]
    names = {p.relative_to(tmp_path).as_posix() for p in left}
    assert {f"run/{name}" for name in ("report.html", "recipe.toml", "provenance.json", "ledger/mosaic.jsonl")} < names
    assert any(name.startswith("tiles/") for name in names) and "run/tables/units_1.csv" in names
    assert [text for text in said if "canary" in text] == []
    assert [p for p in left if is_told(p)] == []
