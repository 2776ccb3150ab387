"""The bijection lint: what is declared exists, what exists is declared (requirement book 4.1).

| kind | exists | declared |
| --- | --- | --- |
| table column | `Base.metadata`, with `personal(...)` or `not_personal(...)` | `Datum` by address |
| stream, store | `declare_storage` | `Datum` by address |
| route, media socket | the application's routes, `declare_symbol("socket", ...)` | `@activity` / `@no_activity` |
| log event | string constants given to `log.*` in the source | `declare_log_events` |
| cookie, client key | `Cookie`, `ClientKey`; `localStorage` and friends in `web/src` | their activity |
| outbound host | `declare_symbol("egress", ...)` | a processor slot of an activity's recipients |
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from fastapi.routing import iter_route_contexts

from incamera.privacy.marks import Place, processing_of
from incamera.privacy.registry import Registry, Route, column_name

_LOG_METHODS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_LOG_KEYS: Final = frozenset({"exc_info", "stack_info"})
_CLIENT_KEY: Final = re.compile(
    r"""(localStorage|sessionStorage)\s*\.\s*(?:setItem|getItem|removeItem)\s*\(\s*(['"`])([^'"`$]+)\2"""
    r"""|indexedDB\s*\.\s*open\s*\(\s*(['"`])([^'"`$]+)\4|caches\s*\.\s*open\s*\(\s*(['"`])([^'"`$]+)\6"""
)
_KEY_TABLE: Final = re.compile(r"CLIENT_KEYS\s*=\s*\{(.*?)\}", re.DOTALL)
_TABLE_KEY: Final = re.compile(r"""^\s*["']([^"']+)["']\s*:""", re.MULTILINE)
_DOCUMENT_COOKIE: Final = re.compile(r"document\s*\.\s*cookie\s*=|cookieStore\s*\.\s*set\b")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something undeclared, or declared and missing. `where` is `file:line`, or an address."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def check_everything(registry: Registry, app: Any = None, root: Path | None = None) -> list[Problem]:
    """All checks. `app` adds the routes, `root` (a checkout) the log events and client keys found in the source."""
    problems = [*check_marks(registry), *check_clients(registry)]
    if app is not None:
        problems += check_routes(registry, app)
    if root is not None:
        problems += check_log_events(registry, sorted((root / "src/incamera").rglob("*.py")))
        problems += check_client_source(registry, root / "web")
    return problems


def check_marks(registry: Registry) -> Iterator[Problem]:
    """Columns, streams and stores, in both directions."""
    held: set[str] = set()
    for table in registry.metadata.sorted_tables:
        for column in table.columns:
            address = column.info.get("personal")
            place = str(column.info.get("place", column_name(column)))
            if address is None and "not_personal" not in column.info:
                yield Problem(place, f"{column_name(column)} says neither personal(...) nor not_personal(...)")
            elif address is not None and registry.find_datum(address) is None:
                suggestion = registry.suggest(address)
                yield Problem(place, f"{column_name(column)} holds {address}, which nobody declares{suggestion}")
            elif address is not None:
                held.add(address)
    for symbol in registry.marks.symbols:
        for address in symbol.data:
            if registry.find_datum(address) is None:
                suggestion = registry.suggest(address)
                yield Problem(str(symbol.place), f"{symbol.name} holds {address}, which nobody declares{suggestion}")
            held.add(address)
        yield from _unknown_activities(registry, symbol.activities, symbol.place, f"the {symbol.kind} {symbol.name}")
    client = {registry_activity.id for registry_activity in registry.in_force}
    for activity in registry.in_force:
        for datum in activity.data:
            address = activity.address(datum.key)
            if datum.store == "client":
                has_key = activity.code.cookies or activity.code.client_keys
                if not has_key and activity.id in client:
                    yield Problem(address, "is kept by the browser, but no Cookie or ClientKey carries it")
            elif address not in held:
                yield Problem(address, "is declared, but no column, stream or store holds it")


def check_clients(registry: Registry) -> Iterator[Problem]:
    """Cookies and client keys, log events and outbound slots name an activity that exists."""
    marks = registry.marks
    for name, mark in (*marks.cookies.items(), *marks.client_keys.items()):
        yield from _unknown_activities(registry, (mark.activity,), None, f"the client storage {name}")
    for event in marks.log_events.values():
        if event.activity is not None:
            yield from _unknown_activities(registry, (event.activity,), event.place, f"the log event {event.name}")
    slots = {r.slot for a in registry.in_force for r in a.recipients if r.slot}
    for symbol in marks.symbols:
        if symbol.kind == "egress" and symbol.name not in slots:
            yield Problem(str(symbol.place), f"no activity sends data to the slot {symbol.name}")


def list_routes(app: Any) -> list[Route]:
    """Every HTTP operation of an application with its activities; unmarked ones are left to the lint."""
    return [
        Route(method, path, mark.activities if mark else ())
        for method, path, mark in ((m, p, processing_of(e)) for m, p, e in _operations(app))
    ]


def check_routes(registry: Registry, app: Any) -> Iterator[Problem]:
    """Every reachable operation names its activity, or why it has none."""
    for method, path, endpoint in _operations(app):
        mark = processing_of(endpoint)
        where = _source(endpoint)
        if mark is None:
            yield Problem(where, f"{method} {path} names no activity; add @activity(...) or @no_activity(reason)")
        else:
            yield from _unknown_activities(registry, mark.activities, mark.place, f"{method} {path}")


def check_log_events(registry: Registry, files: Iterable[Path]) -> Iterator[Problem]:
    """Every event that the source logs is declared with its keys; every declared one is logged somewhere."""
    declared = registry.marks.log_events
    mentions: Counter[str] = Counter()
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        mentions.update(str(node.value) for node in ast.walk(tree) if _is_text(node))
        for call in _log_calls(tree):
            event = str(call.args[0].value)  # type: ignore[attr-defined]  # _log_calls yields constants only
            where = f"{file.as_posix()}:{call.lineno}"
            if event not in declared:
                yield Problem(where, f"the log event {event!r} is not declared; use declare_log_events")
                continue
            keys = {keyword.arg for keyword in call.keywords if keyword.arg} - _LOG_KEYS
            for key in sorted(keys - declared[event].keys):
                yield Problem(where, f"the log event {event!r} does not declare the key {key!r}")
    for name in sorted(declared):
        # Its own declaration is one mention; a second one logs it, however indirectly.
        if mentions[name] < 2 and declared[name].place.file.startswith(_package_root()):
            yield Problem(str(declared[name].place), f"the log event {name!r} is declared, but nothing logs it")


def check_client_source(registry: Registry, web: Path) -> Iterator[Problem]:
    """Every key of localStorage, IndexedDB and the Cache API that the web app uses is declared; none is left over."""
    declared = registry.marks.client_keys
    used: set[str] = set()
    for file in (path for folder in ("src", "public") for path in sorted((web / folder).rglob("*"))):
        if file.suffix not in {".ts", ".svelte", ".js"} or ".test." in file.name:
            continue
        text = file.read_text(encoding="utf-8")
        for name, offset in _client_keys(text):
            used.add(name)
            if name not in declared:
                yield Problem(_place(file, text, offset), f"the client key {name!r} is not declared")
        for match in _DOCUMENT_COOKIE.finditer(text):
            yield Problem(_place(file, text, match.start()), "cookies are set by the server, through a declared Cookie")
    if used:
        for name in sorted(declared.keys() - used):
            yield Problem(f"client key {name}", "is declared, but the web app does not use it")


def _client_keys(text: str) -> Iterator[tuple[str, int]]:
    """Keys given to the browser's storage as literals, and those of the app's own table `CLIENT_KEYS = {...}`."""
    for match in _CLIENT_KEY.finditer(text):
        yield match[3] or match[5] or match[7], match.start()
    for table in _KEY_TABLE.finditer(text):
        for key in _TABLE_KEY.finditer(table[1]):
            yield key[1], table.start(1) + key.start()


def _unknown_activities(
    registry: Registry, activity_ids: Iterable[str], place: Place | None, what: str
) -> Iterator[Problem]:
    known = {activity.id for activity in registry.activities}
    for activity_id in activity_ids:
        if activity_id not in known:
            yield Problem(str(place or activity_id), f"{what} names {activity_id}, which nobody declares")


def _operations(app: Any) -> Iterator[tuple[str, str, Any]]:
    """(method, path, endpoint) of every route, included routers walked through; mounts are other applications."""
    for route in iter_route_contexts(app.routes):
        endpoint = getattr(route, "endpoint", None)
        if endpoint is None:
            continue
        methods = getattr(route, "methods", None) or {"WS"}
        for method in sorted(set(methods) - {"HEAD", "OPTIONS"}):
            yield method, str(route.path), endpoint


def _log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls like `log.info("event", key=...)` with a constant event name; `self._log` and bound loggers too."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        target = node.func.value
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        is_log = node.func.attr in _LOG_METHODS and name.strip("_") in {"log", "logger"}
        if is_log and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            yield node


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _source(endpoint: Any) -> str:
    code = getattr(endpoint, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(endpoint)


def _place(file: Path, text: str, offset: int) -> str:
    return f"{file.as_posix()}:{text.count(chr(10), 0, offset) + 1}"


def _package_root() -> str:
    return Path(__file__).parents[1].as_posix()
