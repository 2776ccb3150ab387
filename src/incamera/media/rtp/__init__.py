"""RTP and RTCP (RFC 3550), and how H.264, AAC and G.711 travel in them: packets to access units, and back.

A track's packets go `RtpReceiver` → depacketiser → `emit(unit, arrival_s)`. The receiver knows sequence numbers, loss
and time; the depacketiser knows the payload format. Bytes are taken as (data, start, stop) so that a whole read of a
socket is walked without one object per packet.
"""
