"""No parser can be made to raise another error than its own, to take long, to fill the memory, or to depend on how the
network cut its input: corpora of other people's fuzzers, real streams, and mutants of both.

FUZZ_INPUTS=50000 FUZZ_SEED=1 for a longer search.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import incamera
from tests.fuzz.mutations import cuts, mutants
from tests.fuzz.parsers import EXEMPT, ROWS, Row, source_parsers
from tests.fuzz.run import take

INPUTS = int(os.environ.get("FUZZ_INPUTS", "400"))
SEED = int(os.environ.get("FUZZ_SEED", "20261127"))
ROOT = Path(__file__).resolve().parents[2]


def row_id(row: Row) -> str:
    return row.target + row.text


@pytest.fixture(scope="module")
def found() -> Any:
    """What a child found that ran under limits of memory and time; it dies alone if one of them is hit."""
    command = [sys.executable, "-m", "tests.fuzz.run", str(INPUTS), str(SEED)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def test_every_parser_is_fed() -> None:
    known = {row.target for row in ROWS} | EXEMPT.keys()
    unfed = source_parsers(Path(incamera.__file__).parent) - known

    assert not unfed, "give each a row in tests/fuzz/parsers.py, or a reason in EXEMPT"


def test_no_exemption_outlives_its_parser() -> None:
    assert not EXEMPT.keys() - source_parsers(Path(incamera.__file__).parent)


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_bad_bytes_are_refused_in_the_parsers_own_words(row: Row, found: Any) -> None:
    result = found[row_id(row)]

    assert "trouble" not in result, f"{result['trouble']}\ninput {result['inputs']}: {result['data'][:4000]}"
    assert result["inputs"] >= INPUTS


@pytest.mark.parametrize("row", ROWS, ids=row_id)
@settings(max_examples=40, deadline=None, database=None)
@given(data=st.binary(max_size=600) | st.text(max_size=200).map(str.encode), cut=st.integers(0, 2**16))
def test_any_bytes_are_refused_in_the_parsers_own_words(row: Row, data: bytes, cut: int) -> None:
    outcome = take(row, [data])

    if row.is_stream:
        assert all(take(row, pieces) == outcome for pieces in cuts(data, cut))


def test_mutants_are_the_same_in_every_run_and_differ_from_their_seeds() -> None:
    first, second = (list(mutants([b"RTSP/1.0 200 OK\r\n\r\n"], 50, 7)) for _ in range(2))

    assert first == second
    assert len(set(first)) > 30
