"""Edges: how one comes in (a one-time code), how it is recognised ever after (its key), who may use it.

    owner asks for a code ──15 min, single use──► edge sends code + its own public key ──► enrolled: key and id
                                                                                             │ every connection:
                                                                                             └ signs a nonce

A code has 50 random bits and its hash alone is stored. Whoever guesses meets a lock-out of all enrolment after
MAX_WRONG_CODES wrong ones within a code's life: at that rate a guess succeeds once in 10^12 tries of 15 minutes.
"""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.accounts import Actor
from incamera.devices import repository
from incamera.devices.errors import EdgeInUse, EdgeNotFound, NoEdge, TooManyEdges
from incamera.devices.model import MAX_EDGES, Edge
from incamera.devices.processing import EDGE_ACTIVITIES
from incamera.devices.repository import PendingCode
from incamera.kit.clock import Clock
from incamera.kit.ids import new_id
from incamera.privacy import after_commit, open_session, purpose
from incamera.protocol.messages import SpoolStatus
from incamera.storage.database import Database
from incamera.storage.vault import Vault
from incamera.streams import EdgeIdentity, EdgeRefused

log = structlog.get_logger(__name__)

CODE_LENGTH: Final = timedelta(minutes=15)
MAX_WRONG_CODES: Final = 50
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letter that looks like a digit
_LOOKALIKES: Final = str.maketrans("OIL", "011")
_CODE_CHARACTERS: Final = 10
_SOFTWARE_CHARACTERS: Final = 64


class Connections(Protocol):
    """Of `streams.UplinkDirectory`, what edges need."""

    def is_connected(self, edge_id: UUID) -> bool: ...

    def disconnect(self, edge_id: UUID, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Invitation:
    """A fresh code and the command that uses it; shown once."""

    edge_id: UUID
    code: str
    expires_at: datetime
    command: str


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where edges find this server. `fingerprint`: SHA-256 of its public key in hexadecimal, empty without TLS."""

    url: str
    fingerprint: str


class EdgeAdmission:
    """The `EdgeAuthenticator` of the uplink: spends codes, finds keys."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._wrong_codes: deque[datetime] = deque(maxlen=MAX_WRONG_CODES)

    async def enrol(self, code: str, public_key: bytes, software: str) -> EdgeIdentity:
        """Spends a code; raises EdgeRefused. The caller has checked that the edge holds the key."""
        self._check_lock_out()
        now = self._clock.now()
        async with open_session(self._database, *EDGE_ACTIVITIES) as db:
            pending = await repository.spend_code(db, hash_code(code), now - CODE_LENGTH)
            edge_id = None if pending is None else await self._admit(db, pending, public_key, software)
        if edge_id is None or pending is None:
            self._wrong_codes.append(now)
            log.warning("edge.code_refused", recent=len(self._wrong_codes))
            raise EdgeRefused("code_refused", "This enrolment code is wrong, used up or too old.", is_final=True)
        log.info("edge.enrolled", edge_id=str(edge_id), is_local=pending.is_local)
        return EdgeIdentity(edge_id, public_key)

    async def _admit(self, db: AsyncSession, pending: PendingCode, public_key: bytes, software: str) -> UUID | None:
        known = await repository.find_edge_by_key(db, public_key)
        if known is not None:
            return await repository.readmit(db, known, pending.account_id, is_local=pending.is_local)
        if pending.is_local and (local := await repository.find_local_edge(db)) is not None:
            # The edge of this machine lost its folder: it is the same place, so its cameras stay with it.
            await repository.set_public_key(db, local, public_key)
            return local
        now = self._clock.now()
        edge = Edge(pending.edge_id, None, pending.is_local, software[:_SOFTWARE_CHARACTERS], now, None)
        await repository.add_edge(db, edge, account_id=pending.account_id, public_key=public_key, name=pending.name)
        return edge.id

    async def find(self, edge_id: UUID) -> EdgeIdentity:
        """The key of an edge; raises EdgeRefused when it was removed or never was."""
        async with open_session(self._database, *EDGE_ACTIVITIES, writes=False) as db:
            public_key = await repository.find_public_key(db, edge_id)
        if public_key is None:
            raise EdgeRefused("unknown_edge", "This edge was removed; enrol it again with a new code.", is_final=True)
        return EdgeIdentity(edge_id, public_key)

    def _check_lock_out(self) -> None:
        oldest = self._clock.now() - CODE_LENGTH
        while self._wrong_codes and self._wrong_codes[0] <= oldest:
            self._wrong_codes.popleft()
        if len(self._wrong_codes) >= MAX_WRONG_CODES:
            raise EdgeRefused(
                "locked_out", "Too many wrong enrolment codes were tried; wait 15 minutes.", is_final=False
            )


class EdgeService:
    """What owners do with edges."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        connections: Connections,
        server: Callable[[], ServerAddress],
        spool_of: Callable[[UUID], SpoolStatus | None],
    ) -> None:
        self._database, self._vault, self._clock = database, vault, clock
        self._connections, self._server, self._spool_of = connections, server, spool_of

    async def edges(self, db: AsyncSession, actor: Actor) -> Sequence[Edge]:
        """Edges this person may use, the local one first."""
        key = await self._vault.account_key(actor.account_id)
        async with purpose(db, *EDGE_ACTIVITIES):
            return await repository.list_edges(db, actor.account_id, key)

    def is_connected(self, edge_id: UUID) -> bool:
        return self._connections.is_connected(edge_id)

    def backlog_bytes(self, edge_id: UUID) -> int | None:
        """What a connected edge has recorded and could not send yet; None if it has not said."""
        spool = self._spool_of(edge_id)
        return None if spool is None else spool.waiting_bytes

    async def choose(self, db: AsyncSession, actor: Actor, edge_id: UUID | None) -> UUID:
        """The edge asked for, or the one that is meant when none is named; raises EdgeNotFound or NoEdge."""
        usable = await self.edges(db, actor)
        if edge_id is not None:
            if all(edge.id != edge_id for edge in usable):
                raise EdgeNotFound
            return edge_id
        connected = [edge for edge in usable if self.is_connected(edge.id)]
        if not usable:
            raise NoEdge
        return (connected or usable)[0].id

    async def invite(self, db: AsyncSession, actor: Actor, name: str) -> Invitation:
        """A code for one new edge of this person."""
        waiting = await repository.count_codes(db, actor.account_id, self._clock.now() - CODE_LENGTH)
        if len(await self.edges(db, actor)) + waiting >= MAX_EDGES:
            raise TooManyEdges(MAX_EDGES)
        edge_id, key = new_id(), await self._vault.account_key(actor.account_id)
        sealed_name = key.seal_text(name, f"edge.name/{edge_id}")
        return await self._add_code(db, edge_id, actor.account_id, sealed_name, is_local=False)

    async def invite_local(self) -> str:
        """A code for the edge that the server starts beside itself; earlier ones stop working."""
        async with open_session(self._database, *EDGE_ACTIVITIES) as db:
            await repository.delete_local_codes(db)
            return (await self._add_code(db, new_id(), None, None, is_local=True)).code

    async def _add_code(
        self, db: AsyncSession, edge_id: UUID, account_id: UUID | None, name: bytes | None, *, is_local: bool
    ) -> Invitation:
        now, secret, server = self._clock.now(), make_code(), self._server()
        await repository.delete_old_codes(db, now - CODE_LENGTH)
        await repository.add_code(
            db, hash_code(secret), edge_id=edge_id, account_id=account_id, name=name, is_local=is_local, now=now
        )
        code = f"{secret}-{server.fingerprint[:16].upper()}" if server.fingerprint else secret
        command = f"incamera edge --server {server.url} --code {code} --data ./incamera-edge"
        return Invitation(edge_id, code, now + CODE_LENGTH, command)

    async def remove(self, db: AsyncSession, actor: Actor, edge_id: UUID) -> None:
        """The edge may not come back; raises EdgeNotFound, or EdgeInUse while devices need it."""
        edges = {edge.id: edge for edge in await self.edges(db, actor)}
        edge = edges.get(edge_id)
        if edge is None or edge.is_local:
            raise EdgeNotFound
        if await repository.list_of_edge(db, edge_id):
            raise EdgeInUse
        await repository.set_edge_removed(db, edge_id, self._clock.now())
        after_commit(db, lambda: self._connections.disconnect(edge_id, "this edge was removed"))
        log.info("edge.removed", edge_id=str(edge_id))


def make_code() -> str:
    """A new code, in two groups of five."""
    characters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARACTERS))
    return f"{characters[:5]}-{characters[5:]}"


def hash_code(code: str) -> bytes:
    """What is stored of a code. Case, blanks, hyphens and a certificate's fingerprint after it do not matter."""
    letters = "".join(code.upper().split()).replace("-", "")[:_CODE_CHARACTERS]
    return hashlib.sha256(b"edge enrolment\x00" + letters.translate(_LOOKALIKES).encode(errors="replace")).digest()
