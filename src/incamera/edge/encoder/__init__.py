"""Pictures that nobody plays as they are become H.264, behind a process boundary: one child per stream.

What comes in is JPEG from a camera, the pictures of a USB camera, or a file. libav reads all of these, so a child does
it that has no network, little memory, and no file but the one that it was given (`worker`, `pictures`, `capture`,
`files`). What comes out are access units, which the edge treats like those of any camera (`edge.sources.encoded`).

Nothing is imported here: the child shall not load what only the edge needs.
"""
