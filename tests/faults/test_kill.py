"""`kill -9` at every step that a program takes on its disk: what it promised holds, and what it left is repaired."""

import errno
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.shim import Action, Operation
from tests.faults.steps import ONE_OF, Break, Stepper, a_stepper, every_step
from tests.support.sampling import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # thousands of processes: a busy machine takes its time


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepper]:
    with a_stepper("recording_scenario", tmp_path_factory.mktemp("recording")) as stepper:
        yield stepper


def test_recording_killed_at_every_step_loses_nothing_it_acknowledged(recording: Stepper) -> None:
    found = every_step(recording, Action.KILL)

    assert {outcome.signal for outcome in found} == {signal.SIGKILL}
    assert len({tuple(outcome.notes) for outcome in found}) > 3, "it was killed between acknowledgements"
    print(f"recording: killed at {len(found)} steps")


def test_recording_killed_within_every_write_loses_nothing_it_acknowledged(recording: Stepper) -> None:
    found = every_step(recording, Action.TEAR_AND_KILL, operations=(Operation.WRITE,))

    assert {outcome.signal for outcome in found} == {signal.SIGKILL}
    print(f"recording: killed within {len(found)} writes")


@pytest.fixture(scope="module")
def retention(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepper]:
    with a_stepper("retention_scenario", tmp_path_factory.mktemp("retention")) as stepper:
        yield stepper


def test_retention_killed_at_every_step_brings_no_key_back(retention: Stepper) -> None:
    found = every_step(retention, Action.KILL)

    assert any(outcome.notes and "swept" not in outcome.notes for outcome in found), "killed amid a sweep"
    print(f"retention: killed at {len(found)} steps")


def test_retention_killed_within_every_write_brings_no_key_back(retention: Stepper) -> None:
    found = every_step(retention, Action.TEAR_AND_KILL, operations=(Operation.WRITE,))

    print(f"retention: killed within {len(found)} writes")


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepper]:
    with a_stepper("spool_scenario", tmp_path_factory.mktemp("spool")) as stepper:
        yield stepper


@pytest.mark.parametrize("action", [Action.KILL, Action.TEAR_AND_KILL])
def test_edge_killed_at_every_step_keeps_what_it_had_put_on_its_disk(spool: Stepper, action: Action) -> None:
    found = every_step(spool, action)

    assert {outcome.signal for outcome in found} == {signal.SIGKILL}
    print(f"spool: {action.name.lower()} at {len(found)} steps")


def test_backup_killed_at_every_step_is_whole_or_none(tmp_path: Path) -> None:
    with a_stepper("backup_scenario", tmp_path) as stepper:
        found = every_step(stepper, Action.KILL)
        print(f"backup: killed at {len(found)} steps")


def test_backup_that_the_disk_refuses_leaves_the_older_one_and_no_plain_copy(tmp_path: Path) -> None:
    with a_stepper("backup_scenario", tmp_path) as stepper:
        for step in sample(range(1, 200), one_of=ONE_OF):
            outcome = stepper.run(Break(Action.FAIL, step, errno.ENOSPC))
            if not outcome.hits:
                break
            if outcome.problem:
                assert "Errno 28" in outcome.problem or "sqlite3.OperationalError" in outcome.problem, outcome.problem
                problem = stepper.check(outcome.notes)
                assert not problem, f"step {step}\n{problem}"
