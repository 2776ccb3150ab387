"""What edge and server say to each other over the uplink, and the frames of the media sockets.

`messages` holds the JSON control messages, `frames` the binary headers, `websocket` the sans-IO RFC 6455 framing that
both ends share. Design: `docs/design/uplink.md`.
"""
