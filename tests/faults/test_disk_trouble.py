"""A server whose disk of recordings stalls, fills up, turns read-only or fails: live goes on, and so does recording.

The real server, its edge and a camera; the shim stands between the server and its media folder.
"""

import asyncio
import errno
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.shim import CHANGES, Action, Operation, Shim, a_shim
from tests.faults.test_sealed_backlog import add_camera, seconds_covered, timeline_path, wait_for_recording
from tests.support.camera import running_camera
from tests.support.sampling import sample
from tests.support.server import Server, running_server
from tests.support.viewer import watching

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.quiet]

MEDIA = "/data/media/"
_PICTURE_US = 200_000  # the camera's interval, and the time to take one in, on a busy machine


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Shim, str]]:
    """A server under the shim that records a camera."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    with a_shim(folder, folder / "data") as shim:
        given = ("LD_PRELOAD", "DISK_FAULTS_CONTROL", "DISK_FAULTS_ROOT")
        environment = {name: shim.environment()[name] for name in given}
        with running_camera("garden") as address, running_server(folder, environment=environment) as server:
            channel_id = add_camera(server, address)
            wait_for_recording(server, channel_id, seconds=2)
            yield server, shim, channel_id


@pytest.fixture(autouse=True)
def healed(site: tuple[Server, Shim, str]) -> Iterator[None]:
    """A test that fails leaves a disk that works to the next one."""
    yield
    site[1].heal()


def storage(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = server.client().get("/healthz").json()
    return answer


def wait_for_storage(server: Server, state: str) -> str:
    """Until `/healthz` says so; its sentence."""
    return str(server.wait_for("/healthz", lambda answer: answer["storage"] == state, 40)["says"])


def newest_us(server: Server, channel_id: str) -> int:
    return int(server.owner().get(timeline_path(channel_id)).raise_for_status().json()["newest_us"] or 0)


async def see_live(server: Server, channel_id: str, pictures: int) -> None:
    """Opens the camera and gets new pictures."""
    async with watching(server, channel_id, "main") as (viewer, handles):
        await viewer.until(lambda: len(viewer.streams.get(handles["main"], _NOTHING).pictures) >= pictures)


class _Nothing:
    pictures: tuple[()] = ()


_NOTHING = _Nothing()
TROUBLES = {
    "slow": (Action.STALL, 0, (Operation.SYNC,)),
    "full": (Action.FAIL, errno.ENOSPC, CHANGES),
    "read_only": (Action.FAIL, errno.EROFS, CHANGES),
    "failing": (Action.FAIL, errno.EIO, CHANGES),
}


@pytest.mark.parametrize("state", sample(list(TROUBLES), one_of=2))
def test_live_goes_on_and_what_was_missed_is_recorded_when_the_disk_is_back(
    site: tuple[Server, Shim, str], state: str
) -> None:
    server, shim, channel_id = site
    wait_for_storage(server, "well")
    action, error, operations = TROUBLES[state]

    shim.order(action, last=-1, error=error, operations=operations, only=MEDIA)
    began_us = time.time_ns() // 1000
    says = wait_for_storage(server, state)
    asyncio.run(see_live(server, channel_id, 50))
    # The row of a segment is there before its file, and says when its first picture came: the first one that found no
    # room. The segment before it may count again when its file was looked at. Neither goes beyond that picture.
    assert newest_us(server, channel_id) <= began_us + _PICTURE_US, "nothing counts as recorded that is not on the disk"
    assert storage(server)["storage"] == state
    shim.heal()
    ended_us = time.time_ns() // 1000

    assert wait_for_storage(server, "well") == ""
    server.wait_for(timeline_path(channel_id), lambda it: (it["newest_us"] or 0) > ended_us + 2_000_000, 40)
    shown = server.wait_for(timeline_path(channel_id), lambda it: covered(it, began_us, ended_us) > 0.95, 40)
    assert covered(shown, began_us, ended_us) > 0.95
    assert says.endswith("."), "a sentence for a person"
    assert shim.hits > 0


def covered(timeline: dict[str, Any], from_us: int, to_us: int) -> float:
    """Which share of a stretch is recorded."""
    return seconds_covered(timeline, from_us, to_us) / ((to_us - from_us) / 1e6)
