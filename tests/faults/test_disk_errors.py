"""A disk that refuses, once or for a while, at any step: recording goes on by itself, and nothing acknowledged goes."""

import errno
from collections.abc import Iterator

import pytest

from tests.faults.shim import Action, Operation
from tests.faults.spool_scenario import BATCH, CHUNKS, SPANS
from tests.faults.steps import ONE_OF, Break, Stepper, a_stepper, every_step
from tests.support.sampling import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # thousands of processes: a busy machine takes its time

ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepper]:
    with a_stepper("recording_scenario", tmp_path_factory.mktemp("recording")) as stepper:
        yield stepper


def test_recording_goes_on_after_an_error_at_any_step(recording: Stepper) -> None:
    found = every_step(recording, Action.FAIL, errors=ERRORS)

    assert len(found) > 100 // ONE_OF
    print(f"recording: went on after an error at {len(found)} steps")


def test_recording_goes_on_when_a_disk_that_refused_for_a_while_is_back(recording: Stepper) -> None:
    found = every_step(recording, Action.FAIL, errors=(errno.EIO, errno.EROFS), length=40)

    print(f"recording: went on after 40 errors in a row from {len(found)} steps on")


def test_a_disk_that_stays_full_for_a_while_ends_no_span(recording: Stepper) -> None:
    """It may cost the oldest recordings (that is what a full disk does), but never the recording itself."""
    for step in sample(range(4, 200, 4), one_of=ONE_OF):
        outcome = recording.run(Break(Action.FAIL, step, (errno.ENOSPC, errno.EDQUOT)[step // 4 % 2], last=step + 39))
        assert "acked 47" in outcome.notes, f"step {step}\n{outcome.problem}"


def test_recording_survives_writes_that_the_disk_takes_in_part(recording: Stepper) -> None:
    found = every_step(recording, Action.SHORTEN, operations=(Operation.WRITE,))

    print(f"recording: survived {len(found)} short writes")


def test_recording_killed_while_the_disk_refuses_has_no_chunk_twice(recording: Stepper) -> None:
    """What a failed write left behind may also lie in the segment that was begun instead."""
    steps = 0
    for step in sample(range(1, 400), one_of=ONE_OF):
        broken = Break(
            Action.FAIL, step, ERRORS[step % 4], only="media/", last=step + step % 3, kill=step + 4 + step % 7
        )
        outcome = recording.run(broken)
        assert not outcome.problem, f"{broken}\n{outcome.problem}"
        if not outcome.hits:
            break
        steps += 1
    print(f"recording: killed after errors at {steps} steps")


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepper]:
    with a_stepper("spool_scenario", tmp_path_factory.mktemp("spool")) as stepper:
        yield stepper


@pytest.mark.parametrize("length", [1, 40])
def test_an_edge_loses_nothing_by_errors_at_any_step(spool: Stepper, length: int) -> None:
    found = every_step(spool, Action.FAIL, errors=(errno.EIO, errno.EROFS), length=length)

    assert {len(outcome.notes) for outcome in found} == {SPANS * CHUNKS // BATCH}, "every chunk reached the disk"
    print(f"spool: went on after {length} errors in a row from {len(found)} steps on")


@pytest.mark.parametrize("length", [1, 40])
def test_an_edge_whose_disk_is_full_for_a_while_loses_the_oldest_at_most(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    with a_stepper("full_spool_scenario", tmp_path_factory.mktemp("spool")) as stepper:
        found = every_step(stepper, Action.FAIL, errors=(errno.ENOSPC, errno.EDQUOT), length=length)

    assert {len(outcome.notes) for outcome in found} == {SPANS * CHUNKS // BATCH}, "every chunk reached the disk"
    print(f"spool: went on after being full {length} times from {len(found)} steps on")


def test_an_edge_spools_on_after_syncs_that_fail(spool: Stepper) -> None:
    """What a failed sync left may or may not be on the medium: the same records go again, to the same place."""
    found = every_step(spool, Action.FAIL, errors=(errno.EIO,), length=5, operations=(Operation.SYNC,))

    assert found
    print(f"spool: went on after failed syncs from {len(found)} steps on")


def test_an_edge_survives_writes_that_the_disk_takes_in_part(spool: Stepper) -> None:
    found = every_step(spool, Action.SHORTEN, operations=(Operation.WRITE,))

    print(f"spool: survived {len(found)} short writes")


def test_an_edge_killed_while_its_disk_refuses_keeps_what_it_had_put_there(spool: Stepper) -> None:
    steps = 0
    for step in sample(range(1, 400), one_of=ONE_OF):
        error = (errno.EIO, errno.EROFS)[step % 2]
        broken = Break(Action.FAIL, step, error, last=step + step % 3, kill=step + 4 + step % 7)
        outcome = spool.run(broken)
        assert not outcome.problem, f"{broken}\n{outcome.problem}"
        if not outcome.hits:
            break
        steps += 1
    print(f"spool: killed after errors at {steps} steps")
