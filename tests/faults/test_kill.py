"""`kill -9` at every step that a program takes on its disk: what it promised holds, and what it left is repaired."""

import signal
from collections.abc import Iterator

import pytest

from tests.faults.shim import Action, Operation
from tests.faults.steps import Stepper, a_stepper, every_step

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepper]:
    with a_stepper("recording_scenario", tmp_path_factory.mktemp("recording")) as stepper:
        yield stepper


def test_recording_killed_at_every_step_loses_nothing_it_acknowledged(recording: Stepper) -> None:
    found = every_step(recording, Action.KILL)

    assert {outcome.signal for outcome in found} == {signal.SIGKILL}
    assert len({tuple(outcome.notes) for outcome in found}) > 6, "it was killed between acknowledgements"
    print(f"recording: killed at {len(found)} steps")


def test_recording_killed_within_every_write_loses_nothing_it_acknowledged(recording: Stepper) -> None:
    found = every_step(recording, Action.TEAR_AND_KILL, operations=(Operation.WRITE,), stride=2)

    assert {outcome.signal for outcome in found} == {signal.SIGKILL}
    print(f"recording: killed within {len(found)} writes")
