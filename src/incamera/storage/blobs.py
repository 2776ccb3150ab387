"""Files that are written once: on the local disk, or in an S3 bucket. What goes in is sealed already.

blobs = Blobs.local(directory.folder("blobs"))
blobs = Blobs.at("s3://bucket/prefix?endpoint=http://127.0.0.1:8333&region=us-east-1")
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.store import LocalStore, MemoryStore, S3Store

from incamera.kit.errors import IncameraError

_KNOWN_OPTIONS: Final = frozenset({"endpoint", "region"})


class BlobError(IncameraError):
    """The blob store cannot do that."""

    status = 500


class BlobNotFound(BlobError):
    status = 404

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is no stored file {name}; it may have been deleted.")


class BlobExists(BlobError):
    status = 409

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"The stored file {name} exists already, and stored files are never overwritten.")


class InvalidBlobUrl(BlobError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The address of the bucket cannot be used: {reason}; write s3://BUCKET[/PREFIX]?endpoint=URL&region=NAME."
        )


class BlobsUnavailable(BlobError):
    """The bucket or folder does not do what it is asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The place for stored files {reason}.")


@contextmanager
def _in_our_words(name: str) -> Iterator[None]:
    """Errors of the store as ours; what it says itself names addresses and goes on for pages."""
    try:
        yield
    except obstore.exceptions.AlreadyExistsError:
        raise BlobExists(name) from None
    except FileNotFoundError:
        raise BlobNotFound(name) from None
    except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError):
        raise BlobsUnavailable(
            "refuses us; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do"
        ) from None
    except obstore.exceptions.BaseError as error:
        raise BlobsUnavailable(
            "does not do what it is asked; see whether it runs, has room, and has that bucket"
        ) from error


class Blobs:
    """A flat space of names like `segments/UUID`. Names carry ids only."""

    def __init__(self, store: Any) -> None:
        self._store = store

    @classmethod
    def local(cls, folder: Path) -> Self:
        return cls(LocalStore(prefix=folder, mkdir=True))

    @classmethod
    def memory(cls) -> Self:
        """For tests."""
        return cls(MemoryStore())

    @classmethod
    def at(cls, url: str) -> Self:
        """An S3 bucket; keys come from the standard AWS variables, so that no secret is in the address."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.scheme != "s3" or not parts.hostname:
            raise InvalidBlobUrl("it names no bucket")
        if unknown := options.keys() - _KNOWN_OPTIONS:
            raise InvalidBlobUrl(f"unknown option {min(unknown)}")
        endpoint = options.get("endpoint")
        place: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
        return cls(
            S3Store(
                parts.hostname,
                prefix=parts.path.strip("/") or None,
                region=options.get("region", "us-east-1"),
                virtual_hosted_style_request=endpoint is None,
                client_options={"allow_http": bool(endpoint and endpoint.startswith("http://"))},
                **place,
            )
        )

    async def put(self, name: str, content: bytes | Path) -> None:
        """Stores a whole file; raises BlobExists, BlobsUnavailable. Durable when it returns, as far as it promises."""
        with _in_our_words(name):
            await obstore.put_async(self._store, name, content, mode="create")

    async def get(self, name: str) -> bytes:
        """The whole file; raises BlobNotFound, BlobsUnavailable."""
        with _in_our_words(name):
            result = await obstore.get_async(self._store, name)
            return bytes(await result.bytes_async())

    async def get_range(self, name: str, start: int, end: int) -> bytes:
        """Bytes from `start` up to `end` (not included); raises BlobNotFound, BlobsUnavailable."""
        with _in_our_words(name):
            return bytes(await obstore.get_range_async(self._store, name, start=start, end=end))

    async def delete(self, name: str) -> None:
        """Removes a file; one that is gone already is fine. Raises BlobsUnavailable."""
        with suppress(BlobNotFound), _in_our_words(name):
            await obstore.delete_async(self._store, name)

    async def names(self, prefix: str = "") -> AsyncIterator[tuple[str, int]]:
        """Names below a prefix with their sizes in bytes, in no order. Raises BlobsUnavailable."""
        with _in_our_words(prefix):
            async for page in obstore.list(self._store, prefix=prefix or None):
                for entry in page:
                    yield entry["path"], entry["size"]


def blobs_endpoint(url: str) -> tuple[str, int]:
    """Host and port that `Blobs.at(url)` talks to."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if "endpoint" not in options:
        return f"{parts.hostname}.s3.{options.get('region', 'us-east-1')}.amazonaws.com", 443
    endpoint = urlsplit(options["endpoint"])
    if not endpoint.hostname:
        raise InvalidBlobUrl("its endpoint names no host")
    return endpoint.hostname, endpoint.port or (80 if endpoint.scheme == "http" else 443)
