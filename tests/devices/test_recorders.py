"""Looking for a recorder's inputs without hurting it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from incamera.devices.address import CameraAddress, CameraLogin
from incamera.devices.recorders import AT_ONCE, LONGEST_S, FoundStream, StreamSearch
from incamera.kit.ids import new_id
from incamera.protocol.messages import CameraFault, ProbeResult

NONE, NOT_FOUND, STALLED = CameraFault.NONE, CameraFault.NOT_FOUND, CameraFault.STALLED
FIRST = "/Streaming/Channels/101"


def nothing_wrong(_path: str) -> CameraFault:
    return NONE


def input_of(path: str) -> int:
    return int(path.rpartition("/")[2]) // 100


@dataclass
class Recorder:
    """Answers by path; counts who is connected at a time."""

    fault_of: Callable[[str], CameraFault] = nothing_wrong
    takes_s: float = 0.0
    tried: list[str] = field(default_factory=list)
    connected: int = 0
    most_connected: int = 0
    now_s: float = 0.0

    async def try_one(self, address: CameraAddress) -> ProbeResult:
        self.tried.append(address.path)
        self.connected += 1
        self.most_connected = max(self.most_connected, self.connected)
        await asyncio.sleep(0)
        self.now_s += self.takes_s
        self.connected -= 1
        return ProbeResult(request_id=new_id(), fault=self.fault_of(address.path), video_codec="avc1.64001f")

    async def find(self, path: str, first: int = 1, count: int = 0) -> list[FoundStream]:
        login = CameraLogin.parse(f"rtsp://192.168.1.20{path}", "admin", "secret")
        return await StreamSearch(login, self.try_one, lambda: self.now_s).run(first, count)


async def test_a_camera_gets_its_smaller_stream_for_the_wall() -> None:
    recorder = Recorder()

    [found] = await recorder.find("/cam/realmonitor?channel=3&subtype=0")

    assert (found.number, found.fault) == (3, NONE)
    assert found.sub is not None
    assert found.sub.url == "rtsp://192.168.1.20/cam/realmonitor?channel=3&subtype=1"
    assert recorder.tried == ["/cam/realmonitor?channel=3&subtype=0", "/cam/realmonitor?channel=3&subtype=1"]


async def test_a_smaller_stream_that_is_not_there_is_not_proposed() -> None:
    [found] = await Recorder(lambda path: NOT_FOUND if path == "/stream2" else NONE).find("/stream1")

    assert (found.fault, found.sub) == (NONE, None)


async def test_an_address_without_a_rule_is_only_itself() -> None:
    recorder = Recorder()

    [found] = await recorder.find("/some/thing", count=64)

    assert (found.number, found.main.path, found.sub) == (1, "/some/thing", None)
    assert recorder.tried == ["/some/thing"]


async def test_64_inputs_are_tried_two_at_a_time_and_empty_ones_do_not_end_it() -> None:
    empty = {5: NOT_FOUND, 7: STALLED, 8: STALLED, 9: CameraFault.CLOSED, 64: CameraFault.BUSY}
    recorder = Recorder(lambda path: empty.get(input_of(path), NONE))

    found = await recorder.find(FIRST, count=64)

    assert [one.number for one in found] == list(range(1, 65))
    assert {one.number: one.fault for one in found if one.fault is not NONE} == empty
    assert all((one.sub is not None) is (one.fault is NONE) for one in found)
    assert recorder.tried[:2] == [FIRST, "/Streaming/Channels/102"], "the given one first, and alone"
    assert len(recorder.tried) == 65
    assert recorder.most_connected == AT_ONCE


@pytest.mark.parametrize("fault", [CameraFault.REFUSED_PASSWORD, CameraFault.NEEDS_PASSWORD])
async def test_a_refused_password_is_tried_once(fault: CameraFault) -> None:
    recorder = Recorder(lambda path: fault)

    found = await recorder.find(FIRST, count=64)

    assert len(recorder.tried) == 1
    assert [one.fault for one in found] == [fault] + ["not_tried"] * 63


async def test_a_recorder_that_goes_away_is_left_alone() -> None:
    recorder = Recorder(lambda path: CameraFault.UNREACHABLE if input_of(path) >= 10 else NONE)

    found = await recorder.find(FIRST, count=64)

    assert [one.number for one in found if one.fault is NONE] == list(range(1, 10))
    assert len(recorder.tried) <= 10 + 2 * AT_ONCE
    assert found[-1].fault == "not_tried"


async def test_a_slow_recorder_is_asked_again_from_where_it_ended() -> None:
    recorder = Recorder(takes_s=4.0)
    found = await recorder.find(FIRST, count=64)
    rest = next(one.number for one in found if one.fault == "not_tried")
    assert recorder.now_s <= LONGEST_S + 2 * recorder.takes_s

    again = await recorder.find(FIRST, first=rest, count=4)

    assert [(one.number, one.fault) for one in again] == [(number, NONE) for number in range(rest, rest + 4)]
