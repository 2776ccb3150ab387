"""The registry: all activities of this server, completed from the marks in the code, with the operator's facts.

`Registry.load` is what a server starts with: it raises DeclarationError when any rule is broken. `Registry(...)` builds
without judging, for tools that want to show the findings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Column, MetaData, Table

from incamera.privacy.canonical import digest
from incamera.privacy.durations import parse_duration
from incamera.privacy.errors import DeclarationError, UnknownActivity
from incamera.privacy.marks import Marks, collected
from incamera.privacy.operator_file import Operator, household
from incamera.privacy.retention import RetentionRule
from incamera.privacy.schema import Activity, Code, Datum, Keep
from incamera.privacy.vocabulary import nearest
from incamera.storage.database import Base


@dataclass(frozen=True, slots=True)
class Route:
    """One reachable operation and the activities its endpoint names."""

    method: str
    path: str
    activities: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Registry:
    """What this server does with personal data. Immutable once built; safe to share."""

    def __init__(
        self,
        activities: Iterable[Activity],
        operator: Operator | None = None,
        *,
        routes: Iterable[Route] = (),
        marks: Marks | None = None,
        metadata: MetaData = Base.metadata,
    ) -> None:
        self.declared = tuple(activities)
        self.operator = operator or household()
        self.routes = tuple(routes)
        self.marks = marks or collected()
        self.metadata = metadata
        self._by_id = {activity.id: self._complete(activity) for activity in self.declared}

    @classmethod
    def load(
        cls,
        activities: Iterable[Activity],
        operator: Operator | None = None,
        *,
        routes: Iterable[Route] = (),
        root: Path | None = None,
    ) -> Self:
        """The registry, if every rule holds; raises DeclarationError. `root`: a checkout, to also read the reviews."""
        from incamera.privacy.rules import findings

        registry = cls(activities, operator, routes=routes)
        found = findings(registry, root=root)
        if found:
            raise DeclarationError([str(finding) for finding in found])
        return registry

    @property
    def activities(self) -> Sequence[Activity]:
        """Every activity, completed, in the order of the requirement book (A, B0, B1a ... X)."""
        return sorted(self._by_id.values(), key=lambda activity: _order(activity.id))

    @cached_property
    def in_force(self) -> Sequence[Activity]:
        """The activities whose code may run."""
        return [activity for activity in self.activities if activity.status == "in_force"]

    def activity(self, activity_id: str) -> Activity:
        """The activity in force with this id; raises UnknownActivity."""
        found = self._by_id.get(activity_id)
        if found is None or found.status != "in_force":
            raise UnknownActivity(activity_id)
        return found

    def find_datum(self, address: str) -> Datum | None:
        """The datum with this address, if there is one."""
        activity_id, _, key = address.partition("/")
        activity = self._by_id.get(activity_id)
        return None if activity is None else next((datum for datum in activity.data if datum.key == key), None)

    @cached_property
    def addresses(self) -> frozenset[str]:
        """Addresses of all own data."""
        return frozenset(a.address(datum.key) for a in self._by_id.values() for datum in a.data)

    def addresses_of(self, activity_ids: Iterable[str]) -> frozenset[str]:
        """What these activities may use: their own data and the reused ones."""
        found: set[str] = set()
        for activity_id in activity_ids:
            activity = self.activity(activity_id)
            found.update(activity.address(datum.key) for datum in activity.data)
            found.update(reuse.datum for reuse in activity.reuses)
        return frozenset(found)

    def tables_of(self, activity_ids: tuple[str, ...]) -> frozenset[str]:
        """Tables these activities may touch: those that hold their data, and those that hold nobody's."""
        known = self._tables.get(activity_ids)
        if known is None:
            allowed = self.addresses_of(activity_ids)
            known = frozenset(
                table.name for table in self.metadata.tables.values() if _is_open(table) or data_of(table) & allowed
            )
            self._tables[activity_ids] = known
        return known

    @cached_property
    def _tables(self) -> dict[tuple[str, ...], frozenset[str]]:
        return {}

    @cached_property
    def retention_rules(self) -> tuple[tuple[RetentionRule, Keep], ...]:
        """Every `Keep` in force, after the operator's overrides."""
        return tuple((self._rule(a, keep), keep) for a in self.in_force for keep in a.keep)

    def maximum(self, activity: Activity, keep: Keep) -> str | None:
        """How long these data stay here: the operator's figure where there is one, else the declared one."""
        figures = [
            self.operator.retention[a].max for a in map(activity.address, keep.data) if a in self.operator.retention
        ]
        return min(figures, key=parse_duration) if figures else keep.max

    def _rule(self, activity: Activity, keep: Keep) -> RetentionRule:
        maximum = self.maximum(activity, keep)
        declared = {**keep.model_dump(mode="json"), "activity": activity.id, "max": maximum}
        return RetentionRule(
            activity=activity.id,
            data=tuple(activity.address(key) for key in keep.data),
            maximum=None if maximum is None else parse_duration(maximum),
            ceiling=None if keep.ceiling is None else parse_duration(keep.ceiling),
            grace=timedelta() if keep.grace is None else parse_duration(keep.grace),
            action=keep.action,
            digest=digest(declared),
        )

    def _complete(self, activity: Activity) -> Activity:
        """The activity with `at` and `code` filled in from the marks."""
        data = tuple(
            datum.model_copy(update={"at": self._places(activity.address(datum.key))}) for datum in activity.data
        )
        return activity.model_copy(update={"data": data, "code": self._code(activity.id)})

    def _places(self, address: str) -> tuple[str, ...]:
        columns = self._columns.get(address, ())
        stores = [f"{symbol.kind}:{symbol.name}" for symbol in self.marks.symbols if address in symbol.data]
        return tuple(sorted((*columns, *stores)))  # the order of imports must not change a version

    @cached_property
    def _columns(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for table in self.metadata.sorted_tables:
            for column in table.columns:
                address = column.info.get("personal")
                if address is not None:
                    found[address] = (*found.get(address, ()), column_name(column))
        return found

    def _code(self, activity_id: str) -> Code:
        def names(kind: str) -> tuple[str, ...]:
            found = (s.name for s in self.marks.symbols if s.kind == kind and activity_id in s.activities)
            return tuple(sorted(set(found)))

        routes = [str(route) for route in self.routes if activity_id in route.activities]
        return Code(
            routes=(*sorted(routes), *(f"WS {name}" for name in names("socket"))),
            jobs=names("job"),
            streams=names("stream"),
            blobs=names("store"),
            events=names("event"),
            log_events=tuple(sorted(e.name for e in self.marks.log_events.values() if e.activity == activity_id)),
            cookies=tuple(sorted(c.name for c in self.marks.cookies.values() if c.activity == activity_id)),
            client_keys=tuple(sorted(k.name for k in self.marks.client_keys.values() if k.activity == activity_id)),
            templates=names("template"),
            egress=names("egress"),
        )

    def suggest(self, address: str) -> str:
        """`; did you mean ...?` for an address nobody declares."""
        return nearest(address, self.addresses)

    def canonical(self) -> dict[str, Any]:
        """Everything a policy version freezes: the activities in full and the operator's facts."""
        return {
            "activities": [activity.model_dump(mode="json") for activity in self.activities],
            "operator": self.operator.published(),
        }


def column_name(column: Column[Any]) -> str:
    """`table.column`."""
    return f"{column.table.name}.{column.name}"


def data_of(table: Table) -> frozenset[str]:
    """Addresses of the data a table holds."""
    return frozenset(c.info["personal"] for c in table.columns if "personal" in c.info)


def _is_open(table: Table) -> bool:
    return not data_of(table)


def _order(activity_id: str) -> tuple[str, int, str]:
    prefix, _, name = activity_id.partition(".")
    digits = "".join(character for character in prefix[1:] if character.isdigit())
    return prefix[0], int(digits or -1), f"{prefix}.{name}"
