"""The key vault: every key that protects stored data, and the only place where one is made, unwrapped or destroyed.

```
ROOT (given at start, in no database)
 ├─ pseudonym · backup · spool (X25519)                HKDF, never stored
 ├─ pii     ─► account key       one per account        random, wrapped, in keys.db
 ├─ secrets ─► (second seal of secrets)                 HKDF, never stored
 └─ media   ─► epoch key         one per device and ownership period
                ├─► hour key     one per channel and UTC hour
                └─► item key     one per saved clip, cover or kept picture
```

Destroying a key erases what it protects (crypto-shredding), for good: `destroy_*` returns only when no byte of the
wrapped key is left in `keys.db` or its WAL, and the tombstone ledger keeps it from coming back with a backup. A
destroyed hour key is never made again, so late media of that hour cannot be kept by mistake.

`keys.db` is touched by one thread only. A `ScopeKey` is for use now: keep it no longer than a request or an open
segment. The vault itself forgets keys after 60 s, and at once when they are destroyed. Design: `docs/design/keys.md`.
"""

import asyncio
import hashlib
import hmac
import os
import secrets
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from incamera.kit.clock import Clock
from incamera.kit.errors import IncameraError
from incamera.storage.keystore import SCHEMA_VERSION, KeyStore, WrappedKey
from incamera.storage.sqlite_errors import needs_new_connection
from incamera.storage.tombstones import LedgerMissing, Tombstone, TombstoneLedger, name_digest

log = structlog.get_logger(__name__)

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
CACHE_S: Final = 60.0
OLDEST_HOUR_AGE: Final = 60 * 24  # hours; twice the longest retention of recordings, so no older key is ever wanted
_TOMBSTONE_AGE_US: Final = 90 * 86_400 * 1_000_000  # hour tombstones outlive every key backup (P7D), then may go
_SCRUB_ATTEMPTS: Final = 40
_SCRUB_PAUSE_S: Final = 0.25
_SEAL_VERSION: Final = b"\x01"
_CANARY: Final = b"incamera keys"

Result = TypeVar("Result")


class VaultError(IncameraError):
    """Base of what can go wrong with keys. Names ids at most, never key bytes."""

    status = 500


class WrongRootKey(VaultError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The root key does not belong to {path}; give the root key this installation was made with. "
            "Nothing was changed."
        )


class NotARootKey(VaultError):
    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"A root key has {KEY_BYTES} bytes, this one has {size_bytes}; give the one made at set-up.")


class VaultUnreadable(VaultError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The key file {path} cannot be used ({reason}); restore it from a key backup.")


class VaultTooNew(VaultError):
    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"The key file {path} has format {version}, newer than this program knows ({SCHEMA_VERSION}); "
            "start the newer program."
        )


class KeyNotFound(VaultError):
    status = 404

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is no key {name}; its data cannot be read.")


class KeyDestroyed(VaultError):
    status = 410

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"The key {name} was destroyed; its data are erased and cannot be written again.")


class SealBroken(VaultError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"Data sealed under {name} do not open: they were altered, or belong somewhere else.")


class ShredNotVerified(VaultError):
    """The key is deleted but its bytes may still be in the file: no receipt may be given yet."""

    status = 503
    retry_after_s = 60

    def __init__(self) -> None:
        super().__init__(
            "The key was deleted, but another program holds keys.db open so that its bytes could not be wiped; "
            "close that program and ask again."
        )


@dataclass(frozen=True, slots=True, order=True)
class EpochRef:
    """One ownership period of a device."""

    device_id: UUID
    number: int

    @property
    def name(self) -> str:
        return f"epoch/{self.device_id}/{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class HourRef:
    """One UTC hour of one channel within an ownership period. `hour` counts hours since the Unix epoch."""

    channel_id: UUID
    epoch: EpochRef
    hour: int

    @property
    def name(self) -> str:
        """Ends with the hour: the key store finds the old ones by it."""
        return f"hour/{self.epoch.device_id}/{self.epoch.number}/{self.channel_id}/{self.hour}"


@dataclass(frozen=True, slots=True)
class ItemRef:
    """A saved clip, an own cover or a kept picture."""

    item_id: UUID
    epoch: EpochRef

    @property
    def name(self) -> str:
        return f"item/{self.epoch.device_id}/{self.epoch.number}/{self.item_id}"


def _account_name(account_id: UUID) -> str:
    return f"account/{account_id}"


def _parse_hour(name: str) -> HourRef:
    _, device, epoch, channel, hour = name.split("/")
    return HourRef(UUID(channel), EpochRef(UUID(device), int(epoch)), int(hour))


def derive_key(secret: bytes, label: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) to 32 bytes."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"incamera 1 " + label).derive(secret)


class ScopeKey:
    """One data key in memory. Raises KeyDestroyed once the key is gone, whoever still holds the object."""

    __slots__ = ("__weakref__", "_cipher", "_secret", "name")

    def __init__(self, name: str, secret: bytes) -> None:
        self.name = name
        self._secret: bytes | None = secret
        self._cipher: AESGCM | None = AESGCM(derive_key(secret, b"seal"))

    def __repr__(self) -> str:
        return f"ScopeKey({self.name})"

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Authenticated encryption. `context` says what this is and where it belongs, e.g. `device.name/UUID`."""
        if self._cipher is None:
            raise KeyDestroyed(self.name)
        nonce = os.urandom(NONCE_BYTES)
        return _SEAL_VERSION + nonce + self._cipher.encrypt(nonce, plaintext, self._associated(context))

    def open(self, sealed: bytes, context: str) -> bytes:
        """The plaintext; raises SealBroken for altered bytes, another key or another context."""
        if self._cipher is None:
            raise KeyDestroyed(self.name)
        head = len(_SEAL_VERSION) + NONCE_BYTES
        if sealed[:1] != _SEAL_VERSION or len(sealed) < head + TAG_BYTES:
            raise SealBroken(self.name)
        try:
            return self._cipher.decrypt(sealed[1:head], sealed[head:], self._associated(context))
        except InvalidTag as error:
            raise SealBroken(self.name) from error

    def seal_text(self, text: str, context: str) -> bytes:
        return self.seal(text.encode(), context)

    def open_text(self, sealed: bytes, context: str) -> str:
        return self.open(sealed, context).decode()

    def derive(self, label: bytes) -> bytes:
        """A key for one purpose below this one, e.g. of a segment. Treat it like the key itself."""
        if self._secret is None:
            raise KeyDestroyed(self.name)
        return derive_key(self._secret, label)

    def forget(self) -> None:
        """The vault calls this when the key is destroyed."""
        self._secret = self._cipher = None

    def _associated(self, context: str) -> bytes:
        return f"{self.name}\x00{context}".encode()


class _PurposeKeys:
    """Level 1, derived from the root key; the root key itself is not kept."""

    def __init__(self, root_key: bytes) -> None:
        if len(root_key) != KEY_BYTES:
            raise NotARootKey(len(root_key))
        self.media, self.pii, self.secrets, self.backup = (
            ScopeKey(f"purpose/{name}", derive_key(root_key, name.encode()))
            for name in ("media", "pii", "secrets", "backup")
        )
        self.pseudonym = derive_key(root_key, b"pseudonym")
        self.spool = X25519PrivateKey.from_private_bytes(derive_key(root_key, b"spool"))
        self.check = derive_key(root_key, b"check")


def _wrap(parent: ScopeKey, name: str, secret: bytes) -> WrappedKey:
    nonce = os.urandom(NONCE_BYTES)
    blob = nonce + AESGCM(parent.derive(b"wrap")).encrypt(nonce, secret, f"{parent.name}\x00{name}".encode())
    return WrappedKey("parent", parent.name, blob)


def _unwrap(parent: ScopeKey, name: str, copies: Sequence[WrappedKey]) -> bytes:
    for copy in copies:
        if (copy.recipient_kind, copy.recipient_id) == ("parent", parent.name):
            cipher = AESGCM(parent.derive(b"wrap"))
            try:
                return cipher.decrypt(
                    copy.blob[:NONCE_BYTES], copy.blob[NONCE_BYTES:], f"{parent.name}\x00{name}".encode()
                )
            except InvalidTag as error:
                raise SealBroken(name) from error
    raise KeyNotFound(name)


class Vault:
    """Open it once per process with `await Vault.open(...)`; close it last."""

    def __init__(self, path: Path, purposes: _PurposeKeys, clock: Clock, thread: ThreadPoolExecutor) -> None:
        self.path = path
        self._purposes, self._clock, self._thread = purposes, clock, thread
        self._cache: dict[str, tuple[ScopeKey, float]] = {}
        self._issued: weakref.WeakSet[ScopeKey] = weakref.WeakSet()
        self._sweep: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[Sequence[str]], None]] = []
        self._store: KeyStore
        self._ledger: TombstoneLedger
        self.vault_id = ""

    @classmethod
    async def open(cls, path: Path, root_key: bytes, *, ledger: Path, clock: Clock, new_ledger: bool = False) -> Self:
        """Opens or makes `keys.db`, and destroys again whatever the ledger says was destroyed.

        `new_ledger` accepts that the ledger of an existing `keys.db` is lost, and begins an empty one.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="vault")
        vault = cls(path, _PurposeKeys(root_key), clock, thread)
        try:
            revived = await vault._on_thread(vault._open_files, ledger, new_ledger)
            if revived:
                log.warning("vault.tombstones_replayed", keys=len(revived))
                await vault._destroy(revived, is_replay=True)
        except BaseException:
            await vault.close()
            raise
        return vault

    async def close(self) -> None:
        """Forgets every key and closes the file."""
        if self._sweep is not None:
            self._sweep.cancel()
        for key in list(self._issued):
            key.forget()
        self._cache.clear()
        if hasattr(self, "_store"):
            await self._on_thread(self._store.close)
        self._thread.shutdown(wait=False)

    # --- level 1 ----------------------------------------------------------------------------------------------------

    @property
    def backup_key(self) -> ScopeKey:
        """Seals backups."""
        return self._purposes.backup

    @property
    def media_key(self) -> ScopeKey:
        """Seals the labels of media files: what a file is, never what is in it."""
        return self._purposes.media

    @property
    def spool_public_key(self) -> bytes:
        """Raw X25519: edges wrap the keys of their spools to it."""
        return self._purposes.spool.public_key().public_bytes_raw()

    def spool_private_key(self) -> X25519PrivateKey:
        """For the uplink's server end, to unwrap the spool key of a restarted edge (`protocol.spool`)."""
        return self._purposes.spool

    def pseudonym(self, label: str, value: str | bytes) -> bytes:
        """A keyed hash of 32 bytes to look up or compare a value without storing it. `label` keeps uses apart.

        Normalise the value first (case of an e-mail, digits of a phone number). It never decrypts.
        """
        data = value.encode() if isinstance(value, str) else value
        return hmac.digest(self._purposes.pseudonym, label.encode() + b"\x00" + data, hashlib.sha256)

    def seal_secret(self, scope: ScopeKey, plaintext: bytes, context: str) -> bytes:
        """Seals a device password or token twice: under its owner's key, then under `secrets`."""
        return self._purposes.secrets.seal(scope.seal(plaintext, context), context)

    def open_secret(self, scope: ScopeKey, sealed: bytes, context: str) -> bytes:
        return scope.open(self._purposes.secrets.open(sealed, context), context)

    # --- level 2 ----------------------------------------------------------------------------------------------------

    async def create_account_key(self, account_id: UUID) -> ScopeKey:
        """Durable when this returns. Raises KeyDestroyed if the account was erased."""
        return await self._make(_account_name(account_id), "account", self._purposes.pii)

    async def account_key(self, account_id: UUID) -> ScopeKey:
        """Raises KeyNotFound or KeyDestroyed."""
        return await self._get(_account_name(account_id), self._purposes.pii)

    async def create_epoch_key(self, device_id: UUID, epoch: int) -> ScopeKey:
        """Durable when this returns; asking again gives the same key. Raises KeyDestroyed after its end."""
        return await self._make(EpochRef(device_id, epoch).name, "epoch", self._purposes.media)

    async def epoch_key(self, device_id: UUID, epoch: int) -> ScopeKey:
        """Raises KeyNotFound or KeyDestroyed."""
        return await self._get(EpochRef(device_id, epoch).name, self._purposes.media)

    # --- level 3 ----------------------------------------------------------------------------------------------------

    async def hour_key(self, hour: HourRef) -> ScopeKey:
        """The key to record this hour with: found or made, durable when this returns.

        Raises KeyDestroyed if it was destroyed, if the ownership period has ended, or if the hour is older than any
        recording may be (`OLDEST_HOUR_AGE`).
        """
        if (cached := self._cached(hour.name)) is not None:
            return cached
        if hour.hour < self._clock.now_us() // 3_600_000_000 - OLDEST_HOUR_AGE:
            raise KeyDestroyed(hour.name)
        return await self._make(hour.name, "hour", await self.epoch_key(hour.epoch.device_id, hour.epoch.number))

    async def find_hour_key(self, hour: HourRef) -> ScopeKey | None:
        """The key to read this hour with; None when it is gone. Never makes one."""
        try:
            return await self._get(hour.name, await self.epoch_key(hour.epoch.device_id, hour.epoch.number))
        except (KeyNotFound, KeyDestroyed):
            return None

    async def destroyed_hours(self, hours: Iterable[HourRef]) -> list[HourRef]:
        """Those of them that were destroyed."""
        asked = list(hours)
        names = await self._on_thread(self._store.names_destroyed, [hour.name for hour in asked])
        return [hour for hour in asked if hour.name in names]

    async def hours_before(self, hour: int) -> list[HourRef]:
        """Every hour key that exists for an hour earlier than this one."""
        return [_parse_hour(name) for name in await self._on_thread(self._store.hour_names_before, hour)]

    async def create_item_key(self, item: ItemRef) -> ScopeKey:
        """Durable when this returns."""
        return await self._make(item.name, "item", await self.epoch_key(item.epoch.device_id, item.epoch.number))

    async def item_key(self, item: ItemRef) -> ScopeKey:
        """Raises KeyNotFound or KeyDestroyed."""
        return await self._get(item.name, await self.epoch_key(item.epoch.device_id, item.epoch.number))

    # --- destruction ------------------------------------------------------------------------------------------------

    async def destroy_account_key(self, account_id: UUID) -> None:
        """Erases everything sealed for this account. Returns when no byte of the key is left."""
        await self._destroy([_account_name(account_id)])

    async def destroy_epoch_key(self, device_id: UUID, epoch: int) -> None:
        """Erases names, configuration, recordings and items of one ownership period."""
        await self._destroy([EpochRef(device_id, epoch).name])

    async def destroy_hour_keys(self, hours: Iterable[HourRef]) -> None:
        """Erases the recordings of these hours; also those never begun, which then cannot begin any more."""
        await self._destroy([hour.name for hour in hours])

    async def destroy_item_key(self, item: ItemRef) -> None:
        await self._destroy([item.name])

    async def verify_shredded(self) -> None:
        """Wipes what an earlier ShredNotVerified left; raises it again if that is still impossible."""
        await self._scrub()

    def on_destroyed(self, listener: Callable[[Sequence[str]], None]) -> None:
        """`listener` gets the names of destroyed keys, on the loop, so that other caches can drop what hangs on it."""
        self._listeners.append(listener)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _open_files(self, ledger_path: Path, new_ledger: bool) -> list[str]:
        try:
            self._store = store = KeyStore(self.path)
            if store.schema_version > SCHEMA_VERSION:
                raise VaultTooNew(self.path, store.schema_version)
            is_new = store.find_meta("vault_id") is None
        except sqlite3.DatabaseError as error:
            raise VaultUnreadable(self.path, str(error)) from error
        if is_new:
            nonce = os.urandom(NONCE_BYTES)
            store.put_meta("check", nonce + AESGCM(self._purposes.check).encrypt(nonce, _CANARY, None))
            store.put_meta("vault_id", secrets.token_hex(16).encode())
        self._check_root_key()
        self.vault_id = (store.find_meta("vault_id") or b"").decode()
        self._ledger = TombstoneLedger(ledger_path)
        with self._ledger.locked():
            if not self._ledger.exists() and (is_new or new_ledger):
                self._ledger.create(self.vault_id)
            return store.bury(self._prune(self._ledger.read(self.vault_id)))

    def _check_root_key(self) -> None:
        check = self._store.find_meta("check") or b""
        try:
            AESGCM(self._purposes.check).decrypt(check[:NONCE_BYTES], check[NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise WrongRootKey(self.path) from error

    def _prune(self, tombstones: list[Tombstone]) -> list[Tombstone]:
        """Hours past `OLDEST_HOUR_AGE` are refused by their number: their tombstones need not be kept for ever."""
        horizon_us = self._clock.now_us() - _TOMBSTONE_AGE_US
        kept = [stone for stone in tombstones if stone.kind != "hour" or stone.destroyed_us >= horizon_us]
        if len(kept) < len(tombstones) * 3 // 4:
            self._ledger.rewrite(self.vault_id, kept)
            self._store.forget_tombstones("hour", horizon_us)
        return kept

    async def _make(self, name: str, kind: str, parent: ScopeKey) -> ScopeKey:
        if (cached := self._cached(name)) is not None:
            return cached
        copy = _wrap(parent, name, os.urandom(KEY_BYTES))
        await self._on_thread(self._store.add, name, kind, parent.name, self._clock.now_us(), [copy])
        return await self._get(name, parent)  # whoever was first

    async def _get(self, name: str, parent: ScopeKey) -> ScopeKey:
        if (cached := self._cached(name)) is not None:
            return cached
        copies = await self._on_thread(self._store.find, name)
        if not copies:
            is_destroyed = await self._on_thread(self._store.is_destroyed, name)
            raise KeyDestroyed(name) if is_destroyed else KeyNotFound(name)
        if (cached := self._cached(name)) is not None:
            return cached
        key = ScopeKey(name, _unwrap(parent, name, copies))
        self._issued.add(key)
        self._cache[name] = key, self._clock.monotonic() + CACHE_S
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(CACHE_S, self._drop_stale)
        return key

    def _cached(self, name: str) -> ScopeKey | None:
        key, until = self._cache.get(name, (None, 0.0))
        return key if until > self._clock.monotonic() else None

    def _drop_stale(self) -> None:
        """Also keys nobody asks for any more leave memory after a minute (two at the very most)."""
        now = self._clock.monotonic()
        self._cache = {name: entry for name, entry in self._cache.items() if entry[1] > now}
        self._sweep = asyncio.get_running_loop().call_later(CACHE_S, self._drop_stale) if self._cache else None

    async def _destroy(self, names: list[str], *, is_replay: bool = False) -> None:
        if not names:
            return
        gone = await self._on_thread(self._delete, names, is_replay)
        dead = set(gone)
        for name in dead:
            self._cache.pop(name, None)
        for key in list(self._issued):
            if key.name in dead:
                key.forget()
        for listener in self._listeners:
            listener(gone)
        await self._scrub()

    def _delete(self, names: list[str], is_replay: bool) -> list[str]:
        """Ledger first: a crash after this line is finished by the next opening."""
        below = [child for name in names for child in self._store.children(name)]
        now_us = self._clock.now_us()
        stones = [Tombstone(name_digest(name), name.split("/", 1)[0], now_us) for name in [*names, *below]]
        if not is_replay:
            with self._ledger.locked():
                self._ledger.append(stones)
        self._store.destroy([*below, *names], stones)
        return [*names, *below]

    async def _scrub(self) -> None:
        for _ in range(_SCRUB_ATTEMPTS):
            if await self._on_thread(self._store.scrub):
                return
            await asyncio.sleep(_SCRUB_PAUSE_S)  # real time: the reader in the way is another process
        raise ShredNotVerified

    async def _on_thread(self, function: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._with_a_sound_store, function, *arguments
        )

    def _with_a_sound_store(self, function: Callable[..., Result], *arguments: object) -> Result:
        """An error of the disk is the caller's to handle; the store itself must be of use again afterwards."""
        try:
            return function(*arguments)
        except sqlite3.Error as error:
            if needs_new_connection(error) and hasattr(self, "_store"):
                with suppress(sqlite3.Error):
                    self._store.reopen()
            raise


__all__ = [
    "EpochRef",
    "HourRef",
    "ItemRef",
    "KeyDestroyed",
    "KeyNotFound",
    "LedgerMissing",
    "ScopeKey",
    "SealBroken",
    "ShredNotVerified",
    "Vault",
    "VaultError",
    "WrongRootKey",
]
