"""Tries a camera before it is added: what does it offer, and what does it see? Never listens to its sound."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from incamera.edge.decoder.processes import PictureDecoder, PictureUnreadable
from incamera.edge.sources.base import Source, SourceFault, TrackInfo
from incamera.media.cmaf import Packager
from incamera.media.sample import AccessUnit, TrackConfig
from incamera.media.video import VIDEO_TIMESCALE
from incamera.media.video.codecs import make_assembler
from incamera.protocol.messages import AnySource, CameraFault, Probe, ProbeResult

log = structlog.get_logger(__name__)

PICTURE_TIMEOUT_S: Final = 12.0  # "smart codecs" send a sync sample every ten seconds


async def probe(
    request: Probe, make_source: Callable[[AnySource, bool], Source], pictures: PictureDecoder
) -> ProbeResult:
    """Connects, waits for one sync sample, decodes it, hangs up."""
    source = make_source(request.source, False)
    try:
        tracks = await source.open()
        found = await _first_sync_picture(source, tracks)
    except SourceFault as fault:
        return ProbeResult(request_id=request.request_id, fault=fault.fault, certificate=fault.certificate)
    finally:
        await source.close()
    audio = next((track.codec for track in tracks if track.kind == "audio"), "")
    if found is None:
        return ProbeResult(request_id=request.request_id, fault=CameraFault.STALLED, audio_codec=audio)
    config, media = found
    return ProbeResult(
        request_id=request.request_id,
        fault=CameraFault.NONE,
        video_codec=config.codec,
        audio_codec=audio,
        width=config.width,
        height=config.height,
        picture=await _decode(pictures, media),
    )


async def _first_sync_picture(source: Source, tracks: tuple[TrackInfo, ...]) -> tuple[TrackConfig, bytes] | None:
    """Track and one picture as an MP4; None if none came in time."""
    video = next(i for i, track in enumerate(tracks) if track.kind == "video" and track.is_received)
    assembler = make_assembler(tracks[video].codec, tracks[video].parameter_sets)
    packager = Packager(VIDEO_TIMESCALE)
    found: asyncio.Future[tuple[TrackConfig, bytes]] = asyncio.get_running_loop().create_future()

    def on_unit(track: int, unit: AccessUnit, _arrived_s: float) -> None:
        if track != video or found.done():
            return
        sample = assembler.push(unit)
        if sample is not None and assembler.config is not None:
            found.set_result((assembler.config, assembler.config.init_segment + packager.push(sample).data))

    playing = asyncio.create_task(source.play(on_unit))
    try:
        await asyncio.wait((playing, found), timeout=PICTURE_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if found.done():
            return found.result()
        if playing.done():
            playing.result()  # raises the SourceFault that ended it
        return None
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        found.cancel()


async def _decode(pictures: PictureDecoder, media: bytes) -> bytes:
    try:
        return await pictures.jpeg(media)
    except PictureUnreadable as error:
        log.warning("edge.probe_picture_failed", says=str(error))
        return b""
