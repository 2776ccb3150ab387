import asyncio
from dataclasses import dataclass

from incamera.kit.events import EventBus


@dataclass(frozen=True)
class DoorOpened:
    number: int


@dataclass(frozen=True)
class DoorClosed:
    number: int


def test_handlers_hear_their_own_type_in_order() -> None:
    events, heard = EventBus(), []
    events.subscribe(DoorOpened, lambda event: heard.append(("first", event.number)))
    events.subscribe(DoorOpened, lambda event: heard.append(("second", event.number)))

    events.publish(DoorOpened(7))
    events.publish(DoorClosed(8))

    assert heard == [("first", 7), ("second", 7)]


def test_an_ended_subscription_is_silent_even_when_ended_during_publishing() -> None:
    events, heard = EventBus(), []

    def once(event: DoorOpened) -> None:
        heard.append(event.number)
        unsubscribe()
        unsubscribe()

    unsubscribe = events.subscribe(DoorOpened, once)
    events.publish(DoorOpened(1))
    events.publish(DoorOpened(2))

    assert heard == [1]


def test_a_failing_handler_spoils_nobody_else() -> None:
    failures: list[tuple[object, Exception]] = []
    heard: list[int] = []
    events = EventBus(on_failure=lambda event, error: failures.append((event, error)))

    def broken(event: DoorOpened) -> None:
        raise RuntimeError("out of order")

    events.subscribe(DoorOpened, broken)
    events.subscribe(DoorOpened, lambda event: heard.append(event.number))
    events.publish(DoorOpened(3))

    assert heard == [3]
    assert [event for event, _ in failures] == [DoorOpened(3)]


async def test_without_a_failure_handler_the_loop_is_told() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["message"]))
    events = EventBus()
    events.subscribe(DoorOpened, lambda event: 1 / 0)  # type: ignore[func-returns-value]
    events.publish(DoorOpened(1))

    assert told == ["a handler of DoorOpened failed"]
