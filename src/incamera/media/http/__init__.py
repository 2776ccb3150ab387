"""HTTP/1 as cameras speak it (RFC 9112 and what devices make of it), without I/O.

Cameras answer with streams that never end, forget lengths, speak HTTP/1.0, or end lines with a bare line feed. So this
reads what they write and no more: one request and one answer per connection.

    bytes ─► ResponseReader ─► Head, Data … ─► MultipartReader ─► one JPEG per part
"""
