"""Every parser that strangers can reach, what it eats, and the only errors it may raise.

`test_parsers.py` fails when a parser appears in the source that is neither here nor in EXEMPT with a reason.
"""

import ast
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import msgspec

from incamera.accounts.errors import AccountError
from incamera.accounts.model import EmailAddress, parse_country, parse_terminal
from incamera.devices.address import CameraAddress, CameraLogin
from incamera.devices.errors import DeviceError
from incamera.devices.jpeg import NotAJpeg, strip_metadata
from incamera.devices.model import parse_keep
from incamera.edge.decoder.messages import parse_answer, parse_request
from incamera.edge.encoder import messages as encoder_messages
from incamera.edge.errors import EdgeError
from incamera.edge.server_address import EnrolmentCode, ServerAddress
from incamera.edge.sources.dialling import DialRanges, InvalidDialRange
from incamera.kit.errors import IncameraError
from incamera.kit.names import parse_name
from incamera.kit.pagination import InvalidCursor, parse_cursor
from incamera.media.aac.configuration import InvalidAudioConfig, parse_audio_specific_config
from incamera.media.bits import InvalidBitstream
from incamera.media.h264 import parameter_sets as h264_sets
from incamera.media.h264 import slice_header as h264_slice
from incamera.media.h265 import parameter_sets as h265_sets
from incamera.media.h265 import slice_header as h265_slice
from incamera.media.http.errors import HttpError, InvalidHttpUrl
from incamera.media.http.messages import ResponseReader
from incamera.media.http.pictures import PictureReader
from incamera.media.http.url import HttpUrl
from incamera.media.isobmff import InvalidBox, iter_boxes, parse_chunk
from incamera.media.onvif.errors import OnvifError
from incamera.media.onvif.services import parse_profiles, parse_services, parse_stream_uri, parse_time
from incamera.media.onvif.session import OnvifSession
from incamera.media.onvif.soap import parse_envelope
from incamera.media.onvif.xml import Element, parse_xml
from incamera.media.opus.packet import InvalidOpusPacket, parse_duration
from incamera.media.rtp.aac import AacDepacketiser, AuHeaderLayout
from incamera.media.rtp.errors import InvalidRtpPacket
from incamera.media.rtp.h264 import H264Depacketiser
from incamera.media.rtp.h265 import H265Depacketiser
from incamera.media.rtp.packet import parse_packet
from incamera.media.rtp.receiver import Depacketiser, Emit, RtpReceiver
from incamera.media.rtp.reorder import ReorderBuffer
from incamera.media.rtp.rtcp import parse_rtcp
from incamera.media.rtp.sound import SoundDepacketiser
from incamera.media.rtsp import transport
from incamera.media.rtsp.authentication import parse_challenges
from incamera.media.rtsp.errors import InvalidRtspUrl, InvalidSdp, RtspError
from incamera.media.rtsp.messages import parse_head, parse_headers
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.sdp import parse_sdp
from incamera.media.rtsp.tracks import describe_tracks
from incamera.media.rtsp.url import RtspUrl
from incamera.media.sample import AccessUnit
from incamera.media.video.codecs import make_assembler
from incamera.privacy import durations, reviews
from incamera.protocol import frames, messages, spool, websocket
from incamera.recording.segment import RecordDamaged, SegmentIndex
from incamera.storage.backup import Manifest
from tests.support.corpora import split_packets
from tests.support.onvif_camera import OnvifCamera, fault, soap
from tests.support.shared import SHARED

Seeds = Callable[[], Sequence[bytes]]


@dataclass(frozen=True)
class Row:
    """One parser. `feed` gets the bytes in pieces and returns what came out, as something that can be compared."""

    target: str  # module below incamera, and name
    seeds: Seeds
    feed: Callable[[Sequence[bytes]], Any]
    errors: tuple[type[Exception], ...] = ()
    is_stream: bool = False  # the same must come out however the bytes are cut
    text: str = field(default="")


# --- what they eat --------------------------------------------------------------------------------------------------


@cache
def corpus(name: str, largest: int = 60_000) -> tuple[bytes, ...]:
    """Members of ../shared/media/corpora; none where the folder is absent."""
    path = SHARED / "media" / "corpora" / f"{name}.zip"
    if not path.exists():
        return ()
    with zipfile.ZipFile(path) as archive:
        return tuple(archive.read(member)[:largest] for member in archive.namelist())


@cache
def files(folder: str, largest: int = 60_000) -> tuple[bytes, ...]:
    """The beginnings of real and broken files in ../shared/media."""
    found = sorted((SHARED / "media" / folder).glob("*"))
    return tuple(path.read_bytes()[:largest] for path in found if path.is_file())


@cache
def packets() -> tuple[bytes, ...]:
    return tuple(packet for data in corpus("rtp") for packet in split_packets(data)) or (
        bytes.fromhex("80600001" + "00" * 8 + "65aa"),
    )


@cache
def nal_units(codec: str) -> tuple[bytes, ...]:
    """From elementary streams: between start codes."""
    streams = corpus(codec) + (files("h264") if codec == "h264" else ())
    units = [unit for stream in streams for unit in stream.split(b"\0\0\1")[1:40] if unit]
    known = {
        "h264": ["6742c01e95a02802dd80880000030008000003019078a150", "68ce3c80", "65888400"],
        "h265": ["40010c01", "42010101", "4401c1", "2601af"],
    }
    return (*map(bytes.fromhex, known[codec]), *units[:400])


@cache
def rtsp_lines() -> tuple[bytes, ...]:
    lines = [line for data in (*files("rtsp"), *corpus("rtsp")) for line in data.split(b"\r\n")]
    values = [line.partition(b":")[2].strip() for line in lines]
    known = (
        b"RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=1A2B3C4D",
        b"RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;source=192.0.2.1",
        b"12345678;timeout=60",
        b'Digest realm="a", nonce="b", qop="auth", algorithm=MD5',
        b"rtsp://user:pass@192.0.2.1:554/live?channel=1",
    )
    return (*known, *dict.fromkeys(value for value in values if value))[:400]


def rtsp_streams() -> tuple[bytes, ...]:
    interleaved = b"".join(b"$\0" + len(packet).to_bytes(2, "big") + packet for packet in packets()[:20])
    return (*files("rtsp"), *corpus("rtsp"), interleaved, *(data + interleaved for data in files("rtsp")[:5]))


def sdps() -> tuple[bytes, ...]:
    described = [data.partition(b"\r\n\r\n")[2] for data in files("rtsp")]
    return (
        *corpus("sdp"),
        *(body for body in described if body),
        b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    )


def movies() -> tuple[bytes, ...]:
    return (*corpus("mp4"), *files("mp4"), *files("odd"), b"\0\0\0\x08free")


def words(*texts: str) -> Seeds:
    return lambda: tuple(text.encode() for text in texts)


def ws_frames() -> tuple[bytes, ...]:
    masked = websocket.render_text(b'{"open":"ticket"}', is_client=True)
    return (
        masked,
        masked * 3,
        websocket.render_close(1000, "bye", is_client=True),
        websocket.render_pong(b"x" * 125, is_client=True),
        bytes.fromhex("82fe0080") + bytes(132),
    )


def uplink_words() -> tuple[bytes, ...]:
    hello = messages.render_message(messages.Hello(nonce=bytes(32)))
    ping = messages.render_message(messages.Ping(sent_us=1))
    status = messages.render_message(messages.SpoolStatus(waiting_bytes=1, limit_bytes=2))
    return hello, ping, status, b'{"type":"desired","version":1,"channels":[]}', b"[" * 2000


def manifests() -> tuple[bytes, ...]:
    names = ("directory_id", "made_at", "software", "revision", "database")
    part = {"name": "a", "sha256": "b", "size_bytes": 1}
    return (
        json.dumps({"format": 1, **dict.fromkeys(names, "x"), "rows": part, "keys": part}).encode(),
        b'{"format":1}',
    )


def jpegs() -> tuple[bytes, ...]:
    jfif, frame = "ffe000104a46494600010100000100010000", "ffc0000b080010001001011100"
    return (bytes.fromhex("ffd8" + jfif + frame + "ffda0008010100003f00d2cf20ffd9"),)


def http_answers() -> tuple[bytes, ...]:
    (picture,) = jpegs()
    part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture + b"\r\n"
    chunk = b"%x\r\n" % len(part) + part + b"\r\n"
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n" + part * 3,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n",
        b"HTTP/1.0 200 OK\nContent-Length: %d\n\n" % len(picture) + picture,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=a\r\nContent-Length: 0\r\n\r\n",
        part * 4,
    )


def http_urls() -> tuple[bytes, ...]:
    known = b"https://u:p@[fe80::1]:8443/a b?c=%20#d", b"http://cam/video.mjpg", b"http://c:0/"
    return (*known, *(line.replace(b"rtsp", b"http") for line in rtsp_lines()))


def onvif_answers() -> tuple[bytes, ...]:
    camera = OnvifCamera(port=80)
    nothing = ET.fromstring("<x><a xmlns='n'/></x>")
    asked = ET.fromstring("<x xmlns='n'><ProfileToken>Profile_1</ProfileToken></x>")
    answers = [
        soap(camera._GetSystemDateAndTime(nothing)),
        soap(camera._GetServices(nothing)),
        soap(camera._GetCapabilities(nothing)),
        soap(camera._GetProfiles(nothing)),
        soap(camera._GetStreamUri(asked)),
        fault("ter:NotAuthorized"),
    ]
    bomb = b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
    return (*(answer.partition(b"\r\n\r\n")[2] for answer in answers), bomb)


def addresses() -> tuple[bytes, ...]:
    return (*rtsp_lines(), *http_urls(), b"file:yard/monday 1.mp4", b"device:usb-Cam_1-index0", b"FILE:../a")


# --- how they are fed -----------------------------------------------------------------------------------------------


def whole(parse: Callable[[bytes], Any]) -> Callable[[Sequence[bytes]], Any]:
    return lambda pieces: parse(b"".join(pieces))


def as_text(parse: Callable[[str], Any]) -> Callable[[Sequence[bytes]], Any]:
    return lambda pieces: parse(b"".join(pieces).decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode())


def _feed_rtsp(pieces: Sequence[bytes]) -> Any:
    packets, said = list[bytes](), list[Any]()
    reader = RtspReader()
    for channel in range(4):
        reader.set_sink(channel, lambda data, start, stop, _arrival: packets.append(data[start:stop]))
    for piece in pieces:
        said += [(type(it).__name__, tuple(it.headers), it.body) for it in reader.receive(piece, 0.0)]
    return packets, said


def _feed_http(pieces: Sequence[bytes]) -> Any:
    reader = ResponseReader()
    body = b"".join(part for piece in pieces for part in reader.receive(piece))
    head = reader.head
    return None if head is None else (head.status_code, tuple(head.headers)), body, reader.is_ended


def _feed_pictures(pieces: Sequence[bytes]) -> Any:
    reader = PictureReader()
    return [picture for piece in pieces for picture in reader.receive(piece)]


def _feed_websocket(pieces: Sequence[bytes]) -> Any:
    reader, out = websocket.FrameReader(is_server=True, max_message_bytes=64 * 1024), list[Any]()
    for piece in pieces:
        out += map(repr, reader.receive(piece))
    return out


def depacketising(make: Callable[[Emit], Depacketiser]) -> Callable[[Sequence[bytes]], Any]:
    """The mutant is cut into packets: an RTP header is put before each 200 bytes of it, and it is also fed as it is."""

    def feed(pieces: Sequence[bytes]) -> Any:
        data, out = b"".join(pieces), list[AccessUnit]()
        receiver = RtpReceiver(make(lambda unit, _arrival: out.append(unit)))
        for number, at in enumerate(range(0, len(data), 200)):
            head = (
                bytes((0x80, 0x60 | 0x80 * (data[at] & 1)))
                + number.to_bytes(2, "big")
                + (number // 3 * 3000).to_bytes(4, "big")
                + b"\0\0\0\1"
            )
            packet = head + data[at : at + 200]
            receiver.receive(packet, 0, len(packet), 0.0)
        receiver.receive(data, 0, len(data), 0.0)
        return len(out)

    return feed


def _receive(pieces: Sequence[bytes]) -> Any:
    receiver = RtpReceiver(H264Depacketiser(lambda *_: None))
    for packet in split_packets(b"".join(pieces)):
        receiver.receive(packet, 0, len(packet), 0.0)
    return receiver.highest_sequence


def _reorder(pieces: Sequence[bytes]) -> Any:
    out: list[int] = []
    buffer = ReorderBuffer(lambda _data, start, stop, _arrival: out.append(stop - start))
    for number, packet in enumerate(split_packets(b"".join(pieces))):
        buffer.receive(packet, number * 0.01)
    buffer.expire(1e9)
    return out


def assembling(codec: str) -> Callable[[Sequence[bytes]], Any]:
    def feed(pieces: Sequence[bytes]) -> Any:
        assembler, samples = make_assembler(codec), 0
        units = (*nal_units(codec.lower())[:3], *b"".join(pieces).split(b"\0\0\1"))
        for number, unit in enumerate(units):
            if unit:
                samples += assembler.push(AccessUnit(number * 3600, (unit,), False)) is not None
        return samples

    return feed


def _picture_order(data: bytes) -> Any:
    sps = h264_sets.parse_sps(nal_units("h264")[0])
    return h264_slice.parse_picture_order_count_lsb(data, sps)


def _describe_tracks(data: bytes) -> Any:
    return repr(describe_tracks(parse_sdp(data)))


def _open_record(data: bytes) -> Any:
    return repr(spool._parse_record(data))


def understanding(parse: Callable[[Element], Any]) -> Callable[[Sequence[bytes]], Any]:
    """The mutant as a SOAP answer, and what it says."""
    return whole(lambda data: repr(parse(parse_envelope(data))))


# --- the table ------------------------------------------------------------------------------------------------------

_BITS: Final = (InvalidBitstream,)

ROWS: Final[tuple[Row, ...]] = (
    Row("media.rtsp.reader:RtspReader", rtsp_streams, _feed_rtsp, (RtspError,), is_stream=True),
    Row("media.rtsp.messages:parse_head", rtsp_streams, whole(parse_head), (RtspError,)),
    Row(
        "media.rtsp.messages:parse_headers",
        rtsp_streams,
        as_text(lambda text: repr(parse_headers(text.split("\n")))),
        (RtspError,),
    ),
    Row("media.http.messages:ResponseReader", http_answers, _feed_http, (HttpError,), is_stream=True),
    Row("media.http.pictures:PictureReader", http_answers, _feed_pictures, (HttpError,), is_stream=True),
    Row("media.http.url:HttpUrl.parse", http_urls, as_text(HttpUrl.parse), (InvalidHttpUrl,)),
    Row(
        "media.http.url:HttpUrl.follow",
        http_urls,
        as_text(HttpUrl.parse("http://u:p@cam/a").follow),
        (InvalidHttpUrl,),
    ),
    Row("media.rtsp.sdp:parse_sdp", sdps, whole(_describe_tracks), (InvalidSdp, RtspError)),
    Row("media.rtsp.transport:parse_transport", rtsp_lines, as_text(transport.parse_transport), (RtspError,)),
    Row(
        "media.rtsp.transport:parse_datagram_transport",
        rtsp_lines,
        as_text(transport.parse_datagram_transport),
        (RtspError,),
    ),
    Row("media.rtsp.transport:parse_client_ports", rtsp_lines, as_text(transport.parse_client_ports), (RtspError,)),
    Row("media.rtsp.transport:parse_session", rtsp_lines, as_text(transport.parse_session), (RtspError,)),
    Row("media.rtsp.url:RtspUrl.parse", rtsp_lines, as_text(RtspUrl.parse), (InvalidRtspUrl,)),
    Row(
        "media.rtsp.authentication:parse_challenges",
        rtsp_lines,
        as_text(lambda text: parse_challenges([text])),
        (RtspError,),
    ),
    Row("media.rtp.packet:parse_packet", packets, whole(parse_packet), (InvalidRtpPacket,)),
    Row("media.rtp.rtcp:parse_rtcp", packets, whole(parse_rtcp), (InvalidRtpPacket,)),
    Row("media.rtp.receiver:RtpReceiver", lambda: corpus("rtp") or packets(), _receive),
    Row("media.rtp.reorder:ReorderBuffer", lambda: corpus("rtp") or packets(), _reorder),
    Row("media.rtp.h264:H264Depacketiser", lambda: (*packets(), *corpus("h264")), depacketising(H264Depacketiser)),
    Row("media.rtp.h265:H265Depacketiser", lambda: (*packets(), *corpus("h265")), depacketising(H265Depacketiser)),
    Row(
        "media.rtp.aac:AacDepacketiser",
        packets,
        depacketising(lambda emit: AacDepacketiser(emit, 1024, AuHeaderLayout(6, 2, 2))),
    ),
    Row("media.rtp.sound:SoundDepacketiser", packets, depacketising(SoundDepacketiser)),
    Row("media.h264.parameter_sets:parse_sps", lambda: nal_units("h264"), whole(h264_sets.parse_sps), _BITS),
    Row("media.h264.parameter_sets:parse_pps_ids", lambda: nal_units("h264"), whole(h264_sets.parse_pps_ids), _BITS),
    Row("media.h264.slice_header:parse_pps_id", lambda: nal_units("h264"), whole(h264_slice.parse_pps_id), _BITS),
    Row(
        "media.h264.slice_header:parse_picture_order_count_lsb", lambda: nal_units("h264"), whole(_picture_order), _BITS
    ),
    Row("media.h265.parameter_sets:parse_vps_id", lambda: nal_units("h265"), whole(h265_sets.parse_vps_id), _BITS),
    Row("media.h265.parameter_sets:parse_sps", lambda: nal_units("h265"), whole(h265_sets.parse_sps), _BITS),
    Row("media.h265.parameter_sets:parse_pps", lambda: nal_units("h265"), whole(h265_sets.parse_pps), _BITS),
    Row("media.h265.slice_header:parse_pps_id", lambda: nal_units("h265"), whole(h265_slice.parse_pps_id), _BITS),
    Row("media.video.assembler:VideoAssembler", lambda: nal_units("h264"), assembling("H264"), _BITS),
    Row("media.video.assembler:VideoAssembler", lambda: nal_units("h265"), assembling("H265"), _BITS, text="H265"),
    Row(
        "media.aac.configuration:parse_audio_specific_config",
        lambda: (b"\x12\x10", b"\x14\x08", *corpus("audio", 64)),
        whole(parse_audio_specific_config),
        (InvalidAudioConfig, InvalidBitstream),
    ),
    Row(
        "media.opus.packet:parse_duration",
        lambda: (b"\x78\x01", b"\xff\x3f", *corpus("audio", 64)),
        whole(parse_duration),
        (InvalidOpusPacket,),
    ),
    Row("media.onvif.xml:parse_xml", onvif_answers, whole(lambda data: repr(parse_xml(data))), (OnvifError,)),
    Row(
        "media.onvif.soap:parse_envelope", onvif_answers, whole(lambda data: repr(parse_envelope(data))), (OnvifError,)
    ),
    Row("media.onvif.services:parse_time", onvif_answers, understanding(parse_time), (OnvifError,)),
    Row(
        "media.onvif.services:parse_services",
        onvif_answers,
        understanding(lambda answer: parse_services(answer, OnvifSession("192.0.2.1", 80, None).device)),
        (OnvifError,),
    ),
    Row("media.onvif.services:parse_profiles", onvif_answers, understanding(parse_profiles), (OnvifError,)),
    Row("media.onvif.services:parse_stream_uri", onvif_answers, understanding(parse_stream_uri), (OnvifError,)),
    Row("media.isobmff.fragments:parse_chunk", movies, whole(lambda data: len(parse_chunk(data))), (InvalidBox,)),
    Row("media.isobmff.boxes:iter_boxes", movies, whole(lambda data: len(list(iter_boxes(data)))), (InvalidBox,)),
    Row("protocol.websocket:FrameReader", ws_frames, _feed_websocket, (websocket.WebSocketViolation,), is_stream=True),
    Row(
        "protocol.websocket:parse_upgrade_request",
        lambda: (websocket.render_upgrade_request("a", "/uplink/v1", websocket.accept_key("k")[:22] + "=="),),
        whole(websocket.parse_upgrade_request),
        (websocket.UpgradeFailed,),
    ),
    Row(
        "protocol.websocket:parse_upgrade_response",
        lambda: (websocket.render_upgrade_response("k"), b"HTTP/1.1 404 Not Found\r\n\r\n"),
        whole(lambda data: websocket.parse_upgrade_response(data, "k")),
        (websocket.UpgradeFailed,),
    ),
    Row(
        "protocol.messages:parse_edge_message",
        uplink_words,
        whole(messages.parse_edge_message),
        (messages.InvalidMessage,),
    ),
    Row(
        "protocol.messages:parse_server_message",
        uplink_words,
        whole(messages.parse_server_message),
        (messages.InvalidMessage,),
    ),
    Row(
        "protocol.frames:parse_media_frame",
        lambda: (frames.render_uplink_header(1, 1, 2, 3, 4, 5) + b"x" * 40,),
        whole(frames.parse_media_frame),
        (frames.InvalidFrame,),
    ),
    Row(
        "protocol.spool:parse_file_header",
        lambda: (spool.render_file_header(spool.SpoolFileHeader(bytes(spool.SALT_BYTES), bytes(80))),),
        whole(spool.parse_file_header),
        (spool.SpoolUnreadable,),
    ),
    Row(
        "protocol.spool:RecordCipher.open",
        lambda: (b"\x01" + b"{}", b"\x02" + bytes(60), *uplink_words()),
        whole(_open_record),
        (spool.SpoolUnreadable,),
    ),
    Row(
        "edge.decoder.messages:parse_request",
        lambda: (b"\x93\xabTakePicture\xc4\x01x\x10", b"\x95\xa9OpenSound\x01\xa4PCMA\x00\x01"),
        whole(parse_request),
        (msgspec.MsgspecError,),
    ),
    Row(
        "edge.decoder.messages:parse_answer",
        lambda: (b"\x92\xa7Picture\xc4\x01x", b"\x94\xaaSoundFrame\x01\x01\xc4\x01x"),
        whole(parse_answer),
        (msgspec.MsgspecError,),
    ),
    Row(
        "edge.encoder.messages:parse_request",
        lambda: (b"\x94\xabPushPicture\x01\xca\0\0\0\0\xc4\x01x", b"\x93\xa8PlayFile\x03\xc2"),
        whole(encoder_messages.parse_request),
        (msgspec.MsgspecError,),
    ),
    Row(
        "edge.encoder.messages:parse_answer",
        lambda: (b"\x95\xa4Unit\0\x01\xca\0\0\0\0\x91\xc4\x01x", b"\x93\xa6Failed\xa4busy\xa1x"),
        whole(encoder_messages.parse_answer),
        (msgspec.MsgspecError,),
    ),
    Row(
        "edge.server_address:ServerAddress.parse",
        words("https://example.org:8443", "http://localhost", "https://[::1]:1/"),
        as_text(ServerAddress.parse),
        (EdgeError, IncameraError),
    ),
    Row(
        "edge.server_address:EnrolmentCode.parse",
        words("ABCDE-FGHJK", "abcde fghjk 0123456789abcdef"),
        as_text(EnrolmentCode.parse),
        (EdgeError, IncameraError),
    ),
    Row(
        "edge.sources.dialling:DialRanges.parse",
        words("192.168.0.0/16", "fe80::/10"),
        as_text(lambda text: DialRanges.parse([text])),
        (InvalidDialRange,),
    ),
    Row(
        "kit.pagination:parse_cursor",
        words("WyIyMDI2IiwiaWQiXQ", "W10", "e30"),
        as_text(parse_cursor),
        (InvalidCursor,),
    ),
    Row(
        "kit.names:parse_name",
        words("Garten", "\u05d2\u05d9\u05e0\u05d4", "👨‍👩‍👧", "a\u202eb"),
        as_text(parse_name),
        (ValueError,),
    ),
    Row(
        "accounts.model:EmailAddress.parse",
        words("anne@example.org", "ä@ö.example"),
        as_text(EmailAddress.parse),
        (AccountError, IncameraError),
    ),
    Row("accounts.model:parse_country", words("FR", " de "), as_text(parse_country), (AccountError, IncameraError)),
    Row(
        "accounts.model:parse_terminal", words("Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X)"), as_text(parse_terminal)
    ),
    Row("devices.model:parse_keep", words("P7D", "PT6H"), as_text(parse_keep), (DeviceError, IncameraError)),
    Row("devices.address:CameraLogin.parse", addresses, as_text(CameraLogin.parse), (DeviceError, IncameraError)),
    Row("devices.address:CameraAddress.of", addresses, as_text(CameraAddress.of), (DeviceError, IncameraError)),
    Row("devices.jpeg:strip_metadata", jpegs, whole(strip_metadata), (NotAJpeg,)),
    Row(
        "recording.segment:SegmentIndex.parse",
        lambda: (SegmentIndex(3).render(), bytes(16)),
        whole(lambda data: len(SegmentIndex.parse(data, 100))),
        (RecordDamaged,),
    ),
    Row(
        "storage.backup:Manifest.parse",
        manifests,
        whole(Manifest.parse),
        (IncameraError, KeyError, TypeError, ValueError),
    ),  # read_manifest says which backup
    Row(
        "privacy.durations:parse_duration",
        words("P30D", "PT10M", "P1Y2M3W4DT5H6M7S"),
        as_text(durations.parse_duration),
        (ValueError,),
    ),
    Row(
        "privacy.reviews:parse_review",
        words('+++\nreviewer = "A"\nreviewed = 2026-01-01\n[activities]\n"B1" = "x"\n+++\ntext'),
        as_text(reviews.parse_review),
        (ValueError,),
    ),
)

EXEMPT: Final[dict[str, str]] = {
    "edge.sources.local:LocalInputs.parse": "the operator's own command line",
    "edge.main:EdgeOptions.parse": "an argparse namespace, not bytes",
    "edge.decoder.processes:PictureDecoder": "a process; tests/faults/test_decoder.py",
    "edge.simulated.cameras:SimulatedCamera.parse": "the command line of a tool for tests",
    "edge.simulated.profiles:Profile.parse": "the command line of a tool for tests",
    "media.bits:BitReader": "by way of every parameter set and slice header",
    "media.rtp.nal_units:NalUnitDepacketiser": "abstract; by way of H.264 and H.265",
    "protocol.frames:parse_viewer_header": "read from our own server, by tests and players",
    "recording.segment:parse_header": "sealed: a byte that differs does not open (tests/recording/test_segment.py)",
    "playback.timeline:TimelineReader": "reads rows, not bytes",
    "maintenance.bucket:Bucket.parse": "the operator's own command line",
}


def source_parsers(root: Path) -> set[str]:
    """Names of everything in the source that looks like a parser."""
    is_function = re.compile(r"parse(_\w+)?")
    is_class = re.compile(r"[A-Z]\w*(Reader|Depacketiser|Decoder|Assembler|Receiver)")
    found = set()
    for path in root.rglob("*.py"):
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and is_function.fullmatch(node.name):
                found.add(f"{module}:{node.name}")
            elif isinstance(node, ast.ClassDef):
                if is_class.fullmatch(node.name):
                    found.add(f"{module}:{node.name}")
                names = [it.name for it in node.body if isinstance(it, ast.FunctionDef)]
                found |= {f"{module}:{node.name}.{name}" for name in names if is_function.fullmatch(name)}
    return found
