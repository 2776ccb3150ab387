"""A power cut after every step: whatever had not reached the disk for certain may be missing, in part, in any order."""

import errno
from collections.abc import Iterator, Sequence

import pytest

from tests.faults.power import Cut, Luck, cuts, lay_out
from tests.faults.shim import Action, Operation
from tests.faults.steps import ONE_OF, Break, Stepper, a_stepper, clear
from tests.support.sampling import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # thousands of processes: a busy machine takes its time


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepper]:
    with a_stepper("recording_scenario", tmp_path_factory.mktemp("recording")) as stepper:
        yield stepper


def hold(stepper: Stepper, found: Sequence[Cut]) -> None:
    """Every promise of these cuts holds."""
    for cut in found:
        clear(stepper.home, stepper.template)
        lay_out(cut.state, stepper.home)
        problem = stepper.check(cut.notes)
        assert not problem, f"power cut after step {cut.after}, {cut.luck.name}\n{problem}"


@pytest.mark.parametrize("luck", Luck)
def test_recording_keeps_what_it_acknowledged(recording: Stepper, luck: Luck) -> None:
    assert not recording.run(Break(Action.NOTHING, 0)).problem
    log = recording.operations()
    end = max(number for number, done in enumerate(log) if done.operation is Operation.NOTE and done.path == "acked 47")

    found = sample(list(cuts(recording.template, recording.home, log[: end + 20], [luck])), one_of=ONE_OF)
    hold(recording, found)
    print(f"recording: {len(found)} power cuts, {luck.name.lower()} of what was uncertain")


@pytest.mark.parametrize("scenario", ["retention_scenario", "spool_scenario", "backup_scenario"])
def test_other_promises_hold(tmp_path_factory: pytest.TempPathFactory, scenario: str) -> None:
    """What was destroyed stays destroyed; what the edge had put on its disk is there."""
    with a_stepper(scenario, tmp_path_factory.mktemp(scenario)) as stepper:
        outcome = stepper.run(Break(Action.NOTHING, 0))
        assert not outcome.problem, outcome.problem
        log, told = stepper.operations(), len(outcome.notes)
        end = [number for number, done in enumerate(log) if done.operation is Operation.NOTE][told - 1]
        for luck in Luck:
            found = sample(list(cuts(stepper.template, stepper.home, log[: end + 1], [luck])), one_of=ONE_OF)
            hold(stepper, found)
            print(f"{scenario}: {len(found)} power cuts, {luck.name.lower()} of what was uncertain")


@pytest.mark.parametrize("luck", [Luck.NOTHING, Luck.NAMES])
def test_recovery_acknowledges_only_what_it_has_made_durable(recording: Stepper, luck: Luck) -> None:
    """Killed, restarted, the edge told where to go on, and only then the power fails: a page cache is not enough."""
    steps = 0
    for step in sample(range(60, 200, 3), one_of=ONE_OF):
        outcome = recording.run(Break(Action.KILL, step))
        assert not outcome.problem, outcome.problem
        if not outcome.hits:
            break
        log = recording.operations()
        told = len(outcome.notes)
        end = [number for number, done in enumerate(log) if done.operation is Operation.NOTE][told]
        hold(recording, list(cuts(recording.template, recording.home, log[: end + 1], [luck], since=end)))
        steps += 1
    print(f"recording: {steps} kills followed by a power cut, {luck.name.lower()} of what was uncertain")


def test_recovery_does_not_believe_what_a_failed_sync_left_in_memory(recording: Stepper) -> None:
    """The sync fails, the process dies: the kernel shows the bytes to whoever reads, and never writes them."""
    steps = 0
    for step in sample(range(1, 100), one_of=ONE_OF):
        outcome = recording.run(Break(Action.FAIL, step, errno.EIO, only="media/", kill=step + 1 + step % 2))
        assert not outcome.problem, outcome.problem
        if not outcome.hits:
            break
        log = recording.operations()
        end = [number for number, done in enumerate(log) if done.operation is Operation.NOTE][len(outcome.notes)]
        hold(recording, list(cuts(recording.template, recording.home, log[: end + 1], [Luck.NOTHING], since=end)))
        steps += 1
    print(f"recording: {steps} calls that failed before a kill and a power cut")


def test_a_recorder_that_does_not_sync_is_found_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The proof that these tests can fail."""
    with a_stepper("careless_scenario", tmp_path_factory.mktemp("careless")) as stepper:
        assert not stepper.run(Break(Action.NOTHING, 0)).problem
        with pytest.raises(AssertionError, match="was acknowledged"):
            hold(stepper, list(cuts(stepper.template, stepper.home, stepper.operations(), [Luck.NOTHING])))
