"""Devices and edges over HTTP. Whoever waits for an edge gives the request's transaction back first: a camera may take
twenty seconds to answer, and on SQLite an open transaction keeps every other writer out.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, status
from fastapi.responses import StreamingResponse

from incamera.access import Permission
from incamera.accounts import CurrentActor
from incamera.devices.address import CameraLogin
from incamera.devices.dependencies import Services
from incamera.devices.model import check_time_zone, parse_keep
from incamera.devices.processing import DEVICE_ACTIVITIES, EDGE_ACTIVITIES
from incamera.devices.schemas import (
    AddDeviceBody,
    ChannelChange,
    ChannelView,
    ConditionView,
    CoverView,
    DeviceChange,
    DeviceList,
    DeviceView,
    EdgeList,
    EdgeView,
    FindStreamsBody,
    FoundStreams,
    FoundStreamView,
    InvitationView,
    InviteBody,
    PrivacyCardBody,
    ProbeBody,
    ProbeView,
    Removed,
    SourceBody,
    StateList,
    ViewingList,
    ViewingView,
    cover_view,
)
from incamera.devices.service import AddDevice, ChangeChannel, NewChannel, ShownDevice
from incamera.kit.pagination import InvalidCursor, parse_cursor, render_cursor
from incamera.privacy import Db, activity

router = APIRouter(prefix="/api/v1", tags=["devices"])

Cursor = Annotated[str | None, Query(max_length=512, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items on a page.")]


# --- devices ----------------------------------------------------------------------------------------------------------


@router.get("/devices")
@activity(*DEVICE_ACTIVITIES)
async def list_devices(
    db: Db,
    actor: CurrentActor,
    services: Services,
    cursor: Cursor = None,
    limit: Limit = 100,
    removed: Annotated[bool, Query(description="Those that can still be restored, instead of those in use.")] = False,
) -> DeviceList:
    """The person's devices, in the order they were added."""
    found = await services.devices.devices(
        db, actor, after=_parse_device_cursor(cursor), limit=limit + 1, removed=removed
    )
    page = found[:limit]
    following = render_cursor(str(page[-1].device.id)) if len(found) > limit else None
    return DeviceList(items=[DeviceView.of(shown) for shown in page], next=following)


@router.post("/devices/probe")
@activity("B6.activate_config", "B3.device_add")
async def probe_device(body: ProbeBody, db: Db, actor: CurrentActor, services: Services) -> ProbeView:
    """Lets the edge try a camera and shows a test picture; nothing is kept. Takes up to 20 seconds.

    Why there is no picture is the code of the problem: `camera_unreachable`, `camera_refused_password` ...
    """
    await db.commit()
    return ProbeView.of(await services.devices.probe(actor, _login(body), body.edge_id))


@router.post("/devices/find-streams")
@activity("B6.activate_config", "B3.device_add")
async def find_streams(body: FindStreamsBody, db: Db, actor: CurrentActor, services: Services) -> FoundStreams:
    """Lets the edge look for the smaller stream, and for a recorder's other inputs, by the brand's rule.

    Nothing is kept. Two inputs are tried at a time, for a minute at most; a refused password ends the search.
    """
    await db.commit()
    brand, found = await services.devices.find_streams(
        actor, _login(body), body.edge_id, first=body.first, count=body.count
    )
    return FoundStreams(brand=brand, items=[FoundStreamView.of(one) for one in found])


@router.post("/devices", status_code=status.HTTP_201_CREATED)
@activity(*DEVICE_ACTIVITIES)
async def add_device(body: AddDeviceBody, db: Db, actor: CurrentActor, services: Services) -> DeviceView:
    """Adds a device. Without a privacy card it captures nothing: 409 `privacy_card_needed` unless `mode` is `off`."""
    command = AddDevice(
        kind=body.kind,
        name=body.name,
        model=body.model,
        serial=body.serial,
        time_zone=check_time_zone(body.time_zone),
        edge_id=body.edge_id,
        channels=tuple(NewChannel(channel.name, _login(channel), _sub_login(channel)) for channel in body.channels),
        card=body.privacy_card.card() if body.privacy_card else None,
        mode=body.mode,
        sound=body.sound,
    )
    return DeviceView.of(await services.devices.add(db, actor, command))


@router.get("/devices/{device_id}")
@activity(*DEVICE_ACTIVITIES)
async def get_device(device_id: UUID, db: Db, actor: CurrentActor, services: Services) -> DeviceView:
    """One device; its owner also sees it while its removal can be undone."""
    return DeviceView.of(await services.devices.show(db, actor, device_id))


@router.patch("/devices/{device_id}")
@activity(*DEVICE_ACTIVITIES)
async def change_device(
    device_id: UUID, body: DeviceChange, db: Db, actor: CurrentActor, services: Services
) -> DeviceView:
    """Another name, another place, another edge."""
    time_zone = None if body.time_zone is None else check_time_zone(body.time_zone)
    shown = await services.devices.change(db, actor, device_id, name=body.name, time_zone=time_zone)
    if body.edge_id is not None:
        shown = await services.devices.move(db, actor, device_id, body.edge_id)
    return DeviceView.of(shown)


@router.put("/devices/{device_id}/privacy-card")
@activity(*DEVICE_ACTIVITIES)
async def set_privacy_card(
    device_id: UUID, body: PrivacyCardBody, db: Db, actor: CurrentActor, services: Services
) -> DeviceView:
    """States what the camera is for and what it sees. Seeing public space shortens what is kept to three days."""
    return DeviceView.of(await services.devices.set_card(db, actor, device_id, body.card()))


@router.delete("/devices/{device_id}")
@activity(*DEVICE_ACTIVITIES)
async def remove_device(device_id: UUID, db: Db, actor: CurrentActor, services: Services) -> Removed:
    """Stops capture at once. For ten minutes everything can be had back; then it is erased for good."""
    return Removed(removed_until=await services.removal.remove(db, actor, device_id))


@router.post("/devices/{device_id}/restore")
@activity(*DEVICE_ACTIVITIES)
async def restore_device(device_id: UUID, db: Db, actor: CurrentActor, services: Services) -> DeviceView:
    """Undoes a removal within its ten minutes."""
    return DeviceView.of(await services.removal.restore(db, actor, device_id))


@router.get("/devices/{device_id}/viewings")
@activity(*DEVICE_ACTIVITIES, "B4.live_view", "B5.playback")
async def list_viewings(
    device_id: UUID, db: Db, actor: CurrentActor, services: Services, cursor: Cursor = None, limit: Limit = 100
) -> ViewingList:
    """Who looked at this device, live or recorded, the latest first. For the owner only."""
    found = await services.viewings.latest(db, actor, device_id, limit + 1, _parse_viewing_cursor(cursor))
    page = found[:limit]
    following = None
    if len(found) > limit:
        last = page[-1].viewing
        following = render_cursor(last.started_at.isoformat(), str(last.id))
    return ViewingList(items=[ViewingView.of(line) for line in page], next=following)


# --- channels ---------------------------------------------------------------------------------------------------------


@router.patch("/channels/{channel_id}")
@activity(*DEVICE_ACTIVITIES)
async def change_channel(
    channel_id: UUID, body: ChannelChange, db: Db, actor: CurrentActor, services: Services
) -> ChannelView:
    """Name, mode, sound and keeping time. Mode and sound need the privacy card: 409 `privacy_card_needed`."""
    change = ChangeChannel(
        name=body.name,
        mode=body.mode,
        sound=body.sound,
        keep=None if body.keep is None else parse_keep(body.keep),
    )
    return _channel_view(await services.devices.change_channel(db, actor, channel_id, change), channel_id)


@router.put("/channels/{channel_id}/source")
@activity(*DEVICE_ACTIVITIES)
async def set_source(
    channel_id: UUID, body: SourceBody, db: Db, actor: CurrentActor, services: Services
) -> ChannelView:
    """Another address, user name or password of a camera; replaces all of them."""
    shown = await services.devices.set_source(db, actor, channel_id, _login(body), _sub_login(body))
    return _channel_view(shown, channel_id)


@router.get("/channels/{channel_id}/states")
@activity(*DEVICE_ACTIVITIES)
async def list_states(channel_id: UUID, db: Db, actor: CurrentActor, services: Services) -> StateList:
    """When the channel went on and off line over the last 24 hours, and why; the oldest first."""
    conditions = await services.devices.states(db, actor, channel_id)
    return StateList(items=[ConditionView.of(condition) for condition in conditions])


@router.get(
    "/channels/{channel_id}/cover",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}},
)
@activity(*DEVICE_ACTIVITIES)
async def get_cover(
    channel_id: UUID,
    db: Db,
    actor: CurrentActor,
    services: Services,
    v: Annotated[str | None, Query(max_length=32, description="Makes the address of a new picture a new one.")] = None,
) -> Response:
    """The channel's still picture. Needs `view_recordings`; no cache may keep it."""
    cover = await services.covers.cover(db, actor, channel_id)
    headers = {"cache-control": "no-store, private", "etag": cover.etag, "content-disposition": "inline"}
    return Response(cover.picture, media_type="image/jpeg", headers=headers)


@router.post("/channels/{channel_id}/cover/refresh")
@activity(*DEVICE_ACTIVITIES)
async def refresh_cover(channel_id: UUID, db: Db, actor: CurrentActor, services: Services) -> CoverView:
    """Takes a new still picture now. Takes up to 10 seconds."""
    await db.commit()
    return cover_view(channel_id, await services.covers.refresh(actor, channel_id))


# --- edges ------------------------------------------------------------------------------------------------------------


@router.get("/edges")
@activity(*EDGE_ACTIVITIES)
async def list_edges(db: Db, actor: CurrentActor, services: Services) -> EdgeList:
    """The edges that this person's devices can stand behind, the local one first."""
    edges = await services.edges.edges(db, actor)
    return EdgeList(
        items=[
            EdgeView.of(
                edge,
                online=services.edges.is_connected(edge.id),
                backlog_bytes=services.edges.backlog_bytes(edge.id),
            )
            for edge in edges
        ]
    )


@router.post("/edges", status_code=status.HTTP_201_CREATED)
@activity(*EDGE_ACTIVITIES)
async def invite_edge(body: InviteBody, db: Db, actor: CurrentActor, services: Services) -> InvitationView:
    """A one-time code for a new edge, and the command to run beside the cameras."""
    return InvitationView.of(await services.edges.invite(db, actor, body.name))


@router.delete("/edges/{edge_id}", status_code=status.HTTP_204_NO_CONTENT)
@activity(*EDGE_ACTIVITIES)
async def remove_edge(edge_id: UUID, db: Db, actor: CurrentActor, services: Services) -> None:
    """The edge may not connect any more. 409 `edge_in_use` while devices need it."""
    await services.edges.remove(db, actor, edge_id)


# --- events -----------------------------------------------------------------------------------------------------------


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
@activity(*DEVICE_ACTIVITIES)
async def follow_events(db: Db, actor: CurrentActor, services: Services) -> StreamingResponse:
    """Server-sent events: `device` (a whole device), `removed` (`id`), `watching` (`channel_id`, `watching`).

    And `volume` (`state`): how the disk of the recordings is doing, when that changes and while it is in trouble.
    """
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(services.feed.follow(actor), media_type="text/event-stream", headers=headers)


def _login(body: SourceBody | ProbeBody) -> CameraLogin:
    username = body.username.get_secret_value() if body.username else None
    password = body.password.get_secret_value() if body.password else None
    return CameraLogin.parse(body.address, username, password, body.certificate)


def _sub_login(body: SourceBody) -> CameraLogin | None:
    return None if body.sub_address is None else CameraLogin.parse(body.sub_address)


def _channel_view(shown: ShownDevice, channel_id: UUID) -> ChannelView:
    channel = next(it for it in shown.channels if it.channel.id == channel_id)
    may_see_cover = shown.access.may(Permission.VIEW_RECORDINGS)
    return ChannelView.of(channel, is_owner=shown.access.is_owner, may_see_cover=may_see_cover)


def _parse_viewing_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    match parse_cursor(cursor):
        case (str(started_at), str(viewing_id)):
            try:
                moment = datetime.fromisoformat(started_at)
                if moment.tzinfo is not None:
                    return moment, UUID(viewing_id)
            except ValueError as error:
                raise InvalidCursor from error
    raise InvalidCursor


def _parse_device_cursor(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    match parse_cursor(cursor):
        case (str(text),):
            try:
                return UUID(text)
            except ValueError as error:
                raise InvalidCursor from error
        case _:
            raise InvalidCursor
