from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from croplayer.active.claims import AWAY, claim_first, claims_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_each_thing_is_handed_to_one_person(tmp_path: Path) -> None:
    wanted = ["a", "b", "c"]
    assert claim_first(tmp_path, "Li", NOON, wanted, {}) == "a"
    assert claim_first(tmp_path, "Anna", NOON, wanted, {}) == "b"
    assert claim_first(tmp_path, "Li", NOON, ["b", "a"], {}) == "a"
    assert claim_first(tmp_path, "Bo", NOON, ["a", "b"], {}) is None
    assert [(c.subject, c.person) for c in claims_of(tmp_path, NOON)] == [("a", "Li"), ("b", "Anna")]


def test_a_place_for_two_is_handed_to_two(tmp_path: Path) -> None:
    places = {"a": 2, "b": 0}
    assert [claim_first(tmp_path, n, NOON, ["b", "a", "c"], places) for n in ("Li", "Anna", "Bo")] == ["a", "a", "c"]


def test_a_claim_expires_and_a_key_renews_it(tmp_path: Path) -> None:
    claim_first(tmp_path, "Li", NOON, ["a"], {})
    claim_first(tmp_path, "Li", NOON + AWAY - MINUTE, ["a"], {})
    assert claim_first(tmp_path, "Anna", NOON + AWAY + MINUTE, ["a"], {}) is None
    assert claim_first(tmp_path, "Anna", NOON + 3 * AWAY, ["a"], {}) == "a"


def test_damaged_claims_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text('[["a", "Li"')
    assert claims_of(tmp_path, NOON) == ()
    assert claim_first(tmp_path, "Anna", NOON, ["a"], {}) == "a"


def test_processes_are_never_handed_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime; from croplayer.active.claims import *\n"
        "for i in range(10): print(claim_first(Path(sys.argv[1]), f'{sys.argv[2]}{i}', datetime.now(UTC), "
        "[str(n) for n in range(40)], {}))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, n], stdout=subprocess.PIPE, text=True) for n in "abc"
    ]
    taken = [line for process in started for line in process.communicate()[0].split()]
    assert sorted(map(int, taken)) == list(range(30))
