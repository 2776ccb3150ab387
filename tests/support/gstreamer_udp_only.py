"""GStreamer's camera that refuses to send over the RTSP connection: run by the system's Python, not by pytest.

/usr/bin/python3 gstreamer_udp_only.py PROGRAM CLIP …      (PROGRAM: gst_rtsp_source.py; the rest are its arguments)
"""

import runpy
import sys

import gi

gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GstRtsp, GstRtspServer  # noqa: E402

_add_factory = GstRtspServer.RTSPMountPoints.add_factory


def _add_udp_only(points: object, path: str, factory: object) -> None:
    factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
    _add_factory(points, path, factory)


GstRtspServer.RTSPMountPoints.add_factory = _add_udp_only
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
