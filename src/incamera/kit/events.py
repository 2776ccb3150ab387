"""Facts come up: a small event bus inside one process.

A feature publishes what has happened as a frozen dataclass named in the past tense (`SessionEnded`); a feature above it
subscribes. Nothing here is durable: an event that must not be lost is a job. Publish only after the commit (from a
request: `privacy.after_commit(db, lambda: events.publish(...))`), so that no one ever acts on a change that was undone.

    unsubscribe = events.subscribe(SessionEnded, sockets.close_session)
    events.publish(SessionEnded(session_id, "signed_out"))
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

Event = TypeVar("Event")
Handler = Callable[[Any], None]
FailureHandler = Callable[[object, Exception], None]


class EventBus:
    """Calls every handler of an event's exact type, in the order they subscribed, before `publish` returns.

    Handlers are plain functions and must return at once: one that has more to do starts a task of its own. A handler
    that raises spoils neither the publisher nor the other handlers; the error goes to `on_failure`.
    """

    def __init__(self, on_failure: FailureHandler | None = None) -> None:
        self._handlers: defaultdict[type, list[Handler]] = defaultdict(list)
        self._on_failure = on_failure or _tell_the_loop

    def subscribe(self, kind: type[Event], handler: Callable[[Event], None]) -> Callable[[], None]:
        """From now on `handler` hears each event of this type. What is returned ends that; calling it twice is fine."""
        handlers = self._handlers[kind]
        handlers.append(handler)

        def unsubscribe() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return unsubscribe

    def publish(self, event: object) -> None:
        """Tells everyone who subscribed to this event's type."""
        for handler in tuple(self._handlers[type(event)]):
            try:
                handler(event)
            except Exception as error:  # noqa: BLE001 - whatever a subscriber does wrong is not the publisher's fault
                self._on_failure(event, error)


def _tell_the_loop(event: object, error: Exception) -> None:
    message = f"a handler of {type(event).__name__} failed"
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
