"""A camera of GStreamer's parts that runs under the system's Python: `gst_live_camera.py PORT LAUNCH`.

LAUNCH is a GStreamer pipeline whose payloaders are named pay0 and pay1; it is served as rtsp://127.0.0.1:PORT/cam0 over
TCP. Prints one line when it is ready.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    """Serves until it is killed."""
    port, launch = sys.argv[1:]
    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared(True)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.get_mount_points().add_factory("/cam0", factory)
    server.attach(None)
    sys.stdout.write(f"rtsp://127.0.0.1:{port}/cam0\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
