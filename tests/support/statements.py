"""The statement check (requirement book 4.3): every statement of a purpose-bound session stays within its activities.

A session stops foreign tables at run time, but not a join to one, nor undeclared columns of a reused row. So the suite
compiles nothing twice and trusts nobody: it looks at each statement on its way to the database, with the activities it
runs for, and compares the personal columns it names with what these activities own or reuse.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.sql import visitors
from sqlalchemy.sql.schema import Column

from incamera.privacy.registry import Registry, column_name
from incamera.privacy.sessions import current_activities


@dataclass
class StatementCheck:
    """Violations seen so far: (activities, column, datum)."""

    make_registry: Callable[[], Registry]  # called with the first statement of an activity: most tests have none
    violations: set[tuple[tuple[str, ...], str, str]] = field(default_factory=set)
    seen: int = 0

    @cached_property
    def registry(self) -> Registry:
        return self.make_registry()

    def look(self, context: Any) -> None:
        """Judges one statement on its way to the database."""
        activities = current_activities()
        if not activities or any(activity not in self._known for activity in activities):
            return  # migrations, the retention engine, and tests with activities of their own
        self.seen += 1
        allowed = self.registry.addresses_of(activities)
        for column in _columns(context):
            address = column.info.get("personal")
            if address in self.registry.addresses and address not in allowed:
                self.violations.add((activities, column_name(column), address))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(activity.id for activity in self.registry.in_force)

    def report(self) -> list[str]:
        """One line per violation."""
        return sorted(f"{' + '.join(who)} touches {column} ({address})" for who, column, address in self.violations)


@contextmanager
def statement_check(make_registry: Callable[[], Registry]) -> Iterator[StatementCheck]:
    """Records the statements of every engine of this process."""
    check = StatementCheck(make_registry)

    def listen(_connection: Any, _cursor: Any, _sql: str, _parameters: Any, context: Any, _many: bool) -> None:
        if getattr(context, "compiled", None) is not None:
            check.look(context)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield check
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def _columns(context: Any) -> Iterator[Column[Any]]:
    """Columns a statement reads, filters by or writes."""
    compiled = context.compiled
    state = getattr(compiled, "compile_state", None)
    statement = getattr(state, "statement", None) if state is not None else compiled.statement
    statement = compiled.statement if statement is None else statement
    for found in (statement, compiled.statement):
        yield from (column for column in getattr(found, "selected_columns", ()) if isinstance(column, Column))
        yield from (node for node in visitors.iterate(found) if isinstance(node, Column))
    if context.isinsert or context.isupdate:
        table = compiled.statement.table
        yield from (table.c[key] for key in compiled.column_keys or () if key in table.c)
