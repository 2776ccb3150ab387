"""RTSP 1.0 (RFC 2326) without I/O: both ends of a session, its authentication, and the SDP that describes a stream.

`client.RtspClient` is what the edge talks to cameras with; `server.RtspServerSession` plays the camera. Both feed
bytes through `reader.RtspReader`, which tells messages from the media packets between them.
"""
