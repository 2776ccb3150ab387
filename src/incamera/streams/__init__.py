"""The uplink's server end, the Hub that fans chunks out, and the sockets that do not go through ASGI.

Others subscribe to streams (`Hub`), register media sockets (`SocketServer.add_route`, `MediaSocket`), ask an edge for
something (`UplinkDirectory`) and implement what `streams` needs from above (`EdgeAuthenticator` and its neighbours).
Design: `docs/design/fanout.md`, `docs/design/uplink.md`.
"""

from incamera.streams import processing as processing
from incamera.streams.connection import SocketHandler, SocketRequest, WebSocketConnection
from incamera.streams.errors import EdgeBusy, EdgeDidNotAnswer, EdgeNotConnected
from incamera.streams.hub import Hub, Publication, Subscriber
from incamera.streams.interfaces import (
    EdgeAuthenticator,
    EdgeIdentity,
    EdgeRefused,
    EdgeRegistry,
    SpanRecorder,
    SpanWriter,
)
from incamera.streams.media_socket import MediaSocket
from incamera.streams.model import EDGE_OFFLINE, ChannelState, Gap, LiveChunk, Run, StreamKey
from incamera.streams.server import SocketPolicy, SocketServer
from incamera.streams.uplink_directory import UPLINK_PATH, UplinkContext, UplinkDirectory

__all__ = [
    "EDGE_OFFLINE",
    "UPLINK_PATH",
    "ChannelState",
    "EdgeAuthenticator",
    "EdgeBusy",
    "EdgeDidNotAnswer",
    "EdgeIdentity",
    "EdgeNotConnected",
    "EdgeRefused",
    "EdgeRegistry",
    "Gap",
    "Hub",
    "LiveChunk",
    "MediaSocket",
    "Publication",
    "Run",
    "SocketHandler",
    "SocketPolicy",
    "SocketRequest",
    "SocketServer",
    "SpanRecorder",
    "SpanWriter",
    "StreamKey",
    "Subscriber",
    "UplinkContext",
    "UplinkDirectory",
    "WebSocketConnection",
]
