"""The web app's files: read into a table once, served from memory with the right caching, precompressed where built.

Vite puts a hash of the content into every name under `assets/`: those are cached for ever. Everything else is asked for
again each time and answered with 304 when it is the same. A GET that no route and no file answers gets `index.html`,
because the app has routes of its own; `/api/`, `/media/` and the like never do.
"""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_RESERVED: Final = (
    "/api/",
    "/media/",
    "/uplink/",
    "/.well-known/",
    "/metrics",
    "/healthz",
    "/openapi.json",
    "/assets/",
)
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_EACH_TIME: Final = "no-cache"
# The registry of types differs from machine to machine; these decide whether a browser runs the app at all.
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_NOT_BUILT: Final = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>Incamera</title>"
    b"<h1>The web app is not built</h1><p>Run <code>./dev demo</code> once, or install the released package. "
    b"The API is here and answers."
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    etag: str
    cache_control: str
    encoded: dict[str, bytes]


class WebApp:
    """An ASGI application for everything that is not a route of the API."""

    def __init__(self, folder: Path) -> None:
        self._files = {f"/{path.relative_to(folder).as_posix()}": _read(path) for path in _files(folder)}
        self._index = self._files.get("/index.html") or _make(_NOT_BUILT, "/index.html", {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before it was accepted: the answer is 403
            return
        await self._respond(scope)(scope, receive, send)

    def _respond(self, scope: Scope) -> Response:
        path: str = scope["path"]
        file = self._files.get(path)
        if file is None and path.startswith(_RESERVED):
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405 if file else 404)
        return _answer(file or self._index, Headers(scope=scope))


def _answer(file: _File, request: Headers) -> Response:
    headers = {"ETag": file.etag, "Cache-Control": file.cache_control, "Vary": "Accept-Encoding"}
    if file.etag in request.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    accepted = {part.partition(";")[0].strip() for part in request.get("accept-encoding", "").split(",")}
    for encoding, body in file.encoded.items():
        if encoding in accepted:
            return Response(body, headers={**headers, "Content-Encoding": encoding}, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)


def _files(folder: Path) -> list[Path]:
    suffixes = tuple(suffix for _, suffix in _ENCODINGS)
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [path for path in found if path.is_file() and not path.name.endswith(suffixes)]


def _read(path: Path) -> _File:
    encoded = {
        name: path.with_name(path.name + suffix).read_bytes()
        for name, suffix in _ENCODINGS
        if path.with_name(path.name + suffix).is_file()
    }
    return _make(path.read_bytes(), path.as_posix(), encoded)


def _make(body: bytes, name: str, encoded: dict[str, bytes]) -> _File:
    media_type = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    cache_control = _FOR_EVER if "/assets/" in name else _EACH_TIME
    return _File(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"', cache_control, encoded)
