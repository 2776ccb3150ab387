"""From declared `Keep` rules to SQL: which rows go, which columns are emptied, found by which indexed clock.

Rules that end together are one group. The group that ends last in a table takes the whole row, an earlier one sets its
columns to NULL; an event counts as later than any figure. A table without the clock itself is reached through foreign
keys (a session of a closed account). What SQL cannot do, or what first needs a key destroyed, goes to a
`RetentionTarget`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, Table, and_, delete, func, or_, select, update
from sqlalchemy.sql.dml import Delete, Update
from sqlalchemy.sql.schema import Column

from incamera.privacy.errors import DeclarationError
from incamera.privacy.registry import Registry, column_name, data_of
from incamera.privacy.retention import RetentionRule, RetentionTarget
from incamera.privacy.schema import Keep

BATCH_ROWS: Final = 500
_OUTSIDE_SQL: Final = ("stream:", "store:")
_Members = list[tuple[RetentionRule, Keep]]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What is done to one table when a group ends."""

    table: Table
    action: Literal["delete", "empty"]
    columns: tuple[str, ...]  # the ones to empty
    path: tuple[Column[Any], ...]  # foreign-key columns from here to the table of the clock; empty: it is here

    def expired(self, clock: Column[Any], cutoff: datetime) -> ColumnElement[bool]:
        """The condition that picks this table's expired rows."""
        condition: ColumnElement[bool] = and_(clock.is_not(None), clock < cutoff)
        for key in reversed(self.path):
            target = next(iter(key.foreign_keys)).column
            condition = key.in_(select(target).where(condition))
        if self.action == "empty":
            condition = and_(condition, or_(*(self.table.c[name].is_not(None) for name in self.columns)))
        return condition

    def batch(self, clock: Column[Any], cutoff: datetime) -> Delete | Update:
        """Takes at most BATCH_ROWS expired rows."""
        keys = list(self.table.primary_key.columns)
        picked = select(*keys).where(self.expired(clock, cutoff)).limit(BATCH_ROWS)
        # A row value would be shorter for composite keys, but SQLite wants one column on the left of IN (SELECT).
        where = keys[0].in_(picked) if len(keys) == 1 else self.expired(clock, cutoff)
        if self.action == "delete":
            return delete(self.table).where(where)
        return update(self.table).where(where).values(dict.fromkeys(self.columns))


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Rules that end at the same moment, and what is done then."""

    rules: tuple[RetentionRule, ...]
    clock: Column[Any] | None  # None: only a target knows
    delay: timedelta  # from the clock to the end
    steps: tuple[Step, ...]
    target: RetentionTarget | None

    def cutoff(self, now: datetime) -> datetime:
        """What is older than this has to go."""
        return now - self.delay

    def latest_end(self, now: datetime) -> datetime:
        """What is older than this is overdue even where an owner chose the longest time there is."""
        ceilings = [rule.ceiling for rule in self.rules if rule.ceiling is not None and self.target is not None]
        longest: timedelta = max([self.delay, *ceilings])
        return now - longest

    def oldest(self) -> Select[Any] | None:
        """The oldest clock value left."""
        return None if self.clock is None else select(func.min(self.clock)).where(self.clock.is_not(None))

    def overdue(self, now: datetime) -> Select[Any] | None:
        """How many rows of the clock's table are past their time."""
        if self.clock is None or not self.steps:
            return None
        first = self.steps[0]
        return select(func.count()).select_from(first.table).where(first.expired(self.clock, self.cutoff(now)))


def make_plan(registry: Registry, targets: Mapping[str, RetentionTarget]) -> tuple[Group, ...]:
    """All groups, media first. `targets`: by datum address, or by the event that ends the keeping.

    Raises DeclarationError for a rule that nobody could carry out.
    """
    grouped: dict[tuple[Any, ...], _Members] = {}
    for rule, keep in registry.retention_rules:
        if keep.action == "drop" or (keep.clock or "").startswith("client:"):
            continue  # memory and browsers forget by themselves
        key = (keep.clock or keep.until, rule.maximum, rule.grace, _target(rule, keep, targets) is not None)
        grouped.setdefault(key, []).append((rule, keep))
    findings: list[str] = []
    last = _last_groups(registry, list(grouped.values()))
    groups = [_group(registry, members, targets, last, findings.append) for members in grouped.values()]
    if findings:
        raise DeclarationError(findings)
    return tuple(sorted(groups, key=lambda group: group.target is None))


def _target(rule: RetentionRule, keep: Keep, targets: Mapping[str, RetentionTarget]) -> RetentionTarget | None:
    for name in (*rule.data, keep.until or "", keep.clock or ""):
        if name in targets:
            return targets[name]
    return None


def _last_groups(registry: Registry, groups: list[_Members]) -> dict[str, frozenset[str]]:
    """For each table the addresses of the group that ends last there: it takes the row."""
    found: dict[str, frozenset[str]] = {}
    for table in registry.metadata.sorted_tables:
        held = data_of(table)
        here = [members for members in groups if held & _addresses(members)]
        if here:
            found[table.name] = _addresses(max(here, key=lambda members: _lateness(members, held)))
    return found


def _lateness(members: _Members, held: frozenset[str]) -> tuple[bool, timedelta, int]:
    rule, _ = members[0]
    return rule.maximum is None, rule.maximum or rule.grace, len(held & _addresses(members))


def _addresses(members: _Members) -> frozenset[str]:
    return frozenset(address for rule, _ in members for address in rule.data)


def _group(
    registry: Registry,
    members: _Members,
    targets: Mapping[str, RetentionTarget],
    last: Mapping[str, frozenset[str]],
    report: Callable[[str], None],
) -> Group:
    rules = tuple(rule for rule, _ in members)
    first_rule, first = members[0]
    clock = _column(registry, first.clock or first.until or "")
    delay = first_rule.maximum or first_rule.grace
    target = _target(first_rule, first, targets)
    if target is not None:
        return Group(rules, clock, delay, (), target)
    for rule, keep in members:
        if keep.action == "crypto_shred" or (keep.clock or "").startswith(_OUTSIDE_SQL):
            report(
                f"{', '.join(rule.data)}: SQL cannot do {keep.action}; hand the engine a RetentionTarget "
                f"under {keep.until or rule.data[0]!r}"
            )
    if clock is None:
        return Group(rules, None, delay, (), None)
    steps = tuple(_steps(registry, _addresses(members), last, clock, report))
    return Group(rules, clock, delay, steps, None)


def _steps(
    registry: Registry,
    addresses: frozenset[str],
    last: Mapping[str, frozenset[str]],
    clock: Column[Any],
    report: Callable[[str], None],
) -> Iterator[Step]:
    """Dependent tables first, so that a parent is still there to find its children by."""
    for table in reversed(registry.metadata.sorted_tables):
        ending = [column for column in table.columns if column.info.get("personal") in addresses]
        if not ending:
            continue
        path = find_path(table, clock.table)
        if path is None:
            report(f"{table.name} holds {ending[0].info['personal']}, but no foreign key leads to {column_name(clock)}")
            continue
        if last[table.name] == addresses:
            yield Step(table, "delete", (), path)
            continue
        for column in ending:
            if not column.nullable:
                report(f"{column_name(column)} ends before its row does, so it has to be nullable")
        yield Step(table, "empty", tuple(column.name for column in ending), path)


def find_path(start: Table, goal: Any) -> tuple[Column[Any], ...] | None:
    """The shortest way over foreign keys from one table to another; empty for the same table, None without one."""
    waiting: deque[tuple[Table, tuple[Column[Any], ...]]] = deque([(start, ())])
    seen = {start.name}
    while waiting:
        table, path = waiting.popleft()
        if table is goal:
            return path
        for column in _keys(table):
            parent = next(iter(column.foreign_keys)).column.table
            if parent.name not in seen:
                seen.add(parent.name)
                waiting.append((parent, (*path, column)))
    return None


def _keys(table: Table) -> Iterable[Column[Any]]:
    return (column for column in table.columns if column.foreign_keys)


def _column(registry: Registry, name: str) -> Column[Any] | None:
    table, _, column = name.partition(".")
    found = registry.metadata.tables.get(table)
    return None if found is None else found.columns.get(column)
