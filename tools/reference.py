"""Writes `docs/reference/` from the code: settings, API, problems, log events. `--check` only says what is stale."""

import argparse
import contextlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import incamera
from incamera.app import SOCKETS, create_api
from incamera.config import PREFIX, Settings, allowed_values
from incamera.kit.errors import IncameraError
from incamera.privacy.marks import collected, processing_of
from incamera.serving.health import health_router
from incamera.serving.openapi import describe

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
_NOTE = "<!-- Written by tools/reference.py; change the code, then run: ./dev run python tools/reference.py -->\n"
_METHODS = ("get", "post", "put", "patch", "delete")


def render_settings() -> str:
    """Every setting of the server."""
    lines = [
        "# Settings of the server",
        "",
        "An option on the command line (`--port`) wins over the variable (`INCAMERA_PORT`), that over the default.",
        "A wrong value stops the start with its name and what is allowed.",
        "How to use them: [run a server](../howto/run-a-server.md).",
        "",
        "| variable | what it is | allowed | default |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or field.default in (None, ()) else f"`{str(field.default).lower()}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {field.description} | {allowed_values(name)} | {default} |")
    return "\n".join(lines) + "\n"


def render_api() -> str:
    """Every operation, by tag, with the processing activities it serves."""
    api = create_api()
    api.include_router(health_router(lambda: None, None))
    described = describe(api, SOCKETS)
    marks = {
        (method.lower(), route.path): processing_of(route.endpoint)
        for route in _routes(api.routes)
        for method in route.methods
    }
    lines = [
        "# HTTP API",
        "",
        "The complete description is served at `/openapi.json`. Errors are problems (RFC 9457): [list](problems.md).",
        "Lists come in pages (`next`); a creating POST takes an `Idempotency-Key`.",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method in _METHODS:
            if method not in operations:
                continue
            operation = operations[method]
            text = (operation.get("description") or operation.get("summary") or "").split("\n\n")[0].replace("\n", " ")
            mark = marks.get((method, path))
            activities = ", ".join(f"`{one}`" for one in mark.activities) if mark else ""
            tag = (operation.get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append(f"| `{method.upper()} {path}` | {text} | {activities} |")
    for tag, rows in by_tag.items():
        lines += ["", f"## {tag.capitalize()}", "", "| operation | what it does | activities |", "|---|---|---|", *rows]
    lines += ["", "## Sockets", "", "| path | what it is |", "|---|---|"]
    lines += [f"| `{path}` | {text} |" for path, text in sorted(SOCKETS.items())]
    return "\n".join(lines) + "\n"


def render_problems() -> str:
    """Every named error that a caller may meet."""
    lines = [
        "# Problems",
        "",
        "`code` in `application/problem+json` is stable; `detail` is a sentence for people.",
        "A command prints the same sentence.",
        "",
        "| code | status | meaning |",
        "|---|---|---|",
    ]
    for error in errors():
        lines.append(f"| `{error.code()}` | {error.status} | {explain(error)} |")
    return "\n".join(lines) + "\n"


def render_log_events() -> str:
    """Every event the log may hold, with its keys."""
    _import_everything()
    lines = [
        "# Log events",
        "",
        "One JSON object a line on standard error. These are all events and keys there can be; others are dropped.",
        "",
        "| event | keys | activity |",
        "|---|---|---|",
    ]
    for name, event in sorted(collected().log_events.items()):
        keys = ", ".join(f"`{key}`" for key in sorted(event.keys))
        lines.append(f"| `{name}` | {keys} | {f'`{event.activity}`' if event.activity else ''} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "api.md": render_api,
    "log-events.md": render_log_events,
    "problems.md": render_problems,
    "settings.md": render_settings,
}


def errors() -> list[type[IncameraError]]:
    """Every error that can be raised: the classes without subclasses, and those with a sentence of their own."""
    _import_everything()
    found = {error for error in _subclasses(IncameraError) if error.__module__.startswith("incamera.")}
    concrete = [error for error in found if not error.__subclasses__() or "__init__" in vars(error)]
    return sorted(concrete, key=lambda error: (error.code(), error.__module__))


def explain(error: type[IncameraError]) -> str:
    """The docstring's first line, else the sentence the error speaks, with its data left out."""
    own = vars(error).get("__doc__")
    if own:
        return " ".join(inspect.cleandoc(own).split("\n\n")[0].split())
    return _sentence(error)


def _sentence(error: type[IncameraError]) -> str:
    parameters = inspect.signature(error).parameters.values()
    required = [
        one
        for one in parameters
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    for stand_in in ("…", Path("…"), 1, 1.0):  # whatever the sentence does with its data
        with contextlib.suppress(TypeError, ValueError, AttributeError):
            return str(error(*(stand_in for _ in required)))
    return ""


def _subclasses(error: type[IncameraError]) -> Iterator[type[IncameraError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        if hasattr(route, "endpoint") and getattr(route, "methods", None):
            yield route
        yield from _routes(getattr(getattr(route, "original_router", None), "routes", ()))


def _import_everything() -> None:
    for module in pkgutil.walk_packages(incamera.__path__, "incamera."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)


def stale() -> list[str]:
    """Names of pages that no longer say what the code says."""
    return [
        name
        for name, render in PAGES.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != _NOTE + render()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is stale")
    if parser.parse_args().check:
        found = stale()
        for name in found:
            print(f"docs/reference/{name} is stale; run: ./dev run python tools/reference.py", file=sys.stderr)
        return 1 if found else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, render in PAGES.items():
        (FOLDER / name).write_text(_NOTE + render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
