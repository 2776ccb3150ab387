"""The doors over real rows: owner, friend, stranger; grants, revoking, removal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import (
    Grant,
    GrantRevoked,
    NotFound,
    OwnershipEnded,
    Permission,
    WeeklyHours,
    access_channel,
    access_device,
    end_ownership,
    give_grant,
    guard_device,
    people_with_access,
    recheck,
    resume_device,
    revoke_grant,
    suspend_device,
    visible_devices,
)
from incamera.accounts import AccountId, Actor, SessionId
from incamera.kit.ids import new_id
from incamera.privacy import open_session
from tests.support.household import Household

DEVICE, DOOR, GARDEN = new_id(), new_id(), new_id()


class World:
    """Zoé owns a device with two channels; Max may get grants; Eve gets nothing."""

    def __init__(self, server: Household, owner: UUID, friend: UUID, stranger: UUID) -> None:
        self.server = server
        self.owner, self.friend, self.stranger = (
            Actor(AccountId(it), SessionId(new_id()), server.clock.now() + timedelta(days=1))
            for it in (owner, friend, stranger)
        )
        self.heard: list[object] = []
        server.events.subscribe(GrantRevoked, self.heard.append)
        server.events.subscribe(OwnershipEnded, self.heard.append)

    @asynccontextmanager
    async def db(self) -> AsyncIterator[AsyncSession]:
        async with open_session(self.server.database, "B3.device_add") as session:
            yield session

    def grant(self, *permissions: Permission, **changes: object) -> Grant:
        now = self.server.clock.now()
        fields: dict[str, object] = {
            "id": new_id(),
            "device_id": DEVICE,
            "epoch": 1,
            "grantee_id": self.friend.account_id,
            "permissions": frozenset(permissions),
            "channels": None,
            "hours": None,
            "starts_at": now,
            "ends_at": now + timedelta(days=30),
            "look_back": timedelta(hours=2),
        }
        return Grant(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
async def world(server: Household) -> World:
    async with server.client() as one, server.client() as two, server.client() as three:
        owner = UUID((await server.set_up(one)).json()["account"]["id"])
        friend = await server.another_account(two)
        stranger = await server.another_account(three, "eve@example.org")
    async with open_session(server.database, "B3.device_add") as db:
        await guard_device(db, DEVICE, [DOOR, GARDEN], time_zone="Europe/Paris", owner_id=owner, clock=server.clock)
    return World(server, owner, friend, stranger)


async def test_a_grant_survives_its_way_through_the_table(world: World) -> None:
    grant = world.grant(
        Permission.VIEW_LIVE,
        Permission.LISTEN,
        channels=frozenset({DOOR}),
        hours=WeeklyHours(frozenset({0, 6}), 60, 120),
    )
    async with world.db() as db:
        await give_grant(db, grant, world.server.clock)
    async with world.db() as db:
        assert await people_with_access(db, DEVICE) == [grant]


async def test_outsiders_get_one_answer_for_all(world: World) -> None:
    answers = set()
    async with world.db() as db:
        await give_grant(db, world.grant(Permission.VIEW_LIVE, channels=frozenset({DOOR})), world.server.clock)
        for actor, channel in (
            (world.stranger, DOOR),
            (world.stranger, new_id()),
            (world.friend, GARDEN),
            (world.friend, new_id()),
        ):
            with pytest.raises(NotFound) as refused:
                await access_channel(db, actor, channel, Permission.VIEW_LIVE, world.server.clock)
            answers.add(str(refused.value))
        for device in (DEVICE, new_id()):
            with pytest.raises(NotFound):
                await access_device(db, world.stranger, device, None, world.server.clock)
    assert len(answers) == 1


async def test_a_friend_sees_what_was_granted_and_no_longer_than_granted(world: World) -> None:
    clock = world.server.clock
    async with world.db() as db:
        await give_grant(db, world.grant(Permission.VIEW_LIVE), clock)
    async with world.db() as db:
        access = await access_channel(db, world.friend, DOOR, Permission.VIEW_LIVE, clock)
        assert (access.until, access.look_back) == (clock.now() + timedelta(days=30), timedelta(hours=2))
        with pytest.raises(NotFound):
            await access_channel(db, world.friend, DOOR, Permission.LISTEN, clock)
        assert [it.device_id for it in await visible_devices(db, world.friend, clock)] == [DEVICE]
        assert await visible_devices(db, world.stranger, clock) == []

        clock.move(days=30)
        assert await recheck(db, world.friend, access, clock) is None
        assert await visible_devices(db, world.friend, clock) == []


@pytest.mark.req("B9-03")
async def test_a_revoked_grant_is_over_and_told(world: World) -> None:
    grant, clock = world.grant(Permission.VIEW_LIVE), world.server.clock
    async with world.db() as db:
        await give_grant(db, grant, clock)
        access = await access_channel(db, world.friend, DOOR, Permission.VIEW_LIVE, clock)
    async with world.db() as db:
        assert await revoke_grant(db, grant.id, clock=clock, events=world.server.events)
        assert world.heard == [], "nothing is told before the commit"
    async with world.db() as db:
        assert await recheck(db, world.friend, access, clock) is None
        assert not await revoke_grant(db, grant.id, clock=clock, events=world.server.events)
    assert world.heard == [GrantRevoked(DEVICE, world.friend.account_id)]


async def test_a_suspended_device_is_closed_and_opens_again_as_it_was(world: World) -> None:
    clock, events = world.server.clock, world.server.events
    async with world.db() as db:
        await give_grant(db, world.grant(Permission.VIEW_LIVE), clock)
        access = await access_channel(db, world.friend, DOOR, Permission.VIEW_LIVE, clock)
        await suspend_device(db, DEVICE, events)
    async with world.db() as db:
        for actor in (world.owner, world.friend):
            with pytest.raises(NotFound):
                await access_channel(db, actor, DOOR, Permission.VIEW_LIVE, clock)
        assert await recheck(db, world.friend, access, clock) is None
        await resume_device(db, DEVICE)
        assert await recheck(db, world.friend, access, clock) == access
    assert {event.account_id for event in world.heard if isinstance(event, GrantRevoked)} == {
        world.owner.account_id,
        world.friend.account_id,
    }


@pytest.mark.req("B8-04")
async def test_the_end_of_ownership_ends_every_grant(world: World) -> None:
    clock = world.server.clock
    async with world.db() as db:
        await give_grant(db, world.grant(Permission.VIEW_LIVE), clock)
        accesses = [
            await access_channel(db, actor, DOOR, Permission.VIEW_LIVE, clock) for actor in (world.owner, world.friend)
        ]
        await end_ownership(db, DEVICE, clock=clock, events=world.server.events)
    async with world.db() as db:
        for actor, access in zip((world.owner, world.friend), accesses, strict=True):
            assert await recheck(db, actor, access, clock) is None
    assert world.heard == [OwnershipEnded(DEVICE, 1)]
