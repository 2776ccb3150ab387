"""libav behind a process boundary: pictures as JPEG, and sound as AAC that no browser plays as it is.

Decoders read what a camera sends, and a camera may be hostile. So libav never runs in the edge: it runs in a child
with no files, no environment, little memory and nothing worth having (`worker`), which the edge kills when it hangs
and starts again when it dies (`processes`). AAC and Opus pass through the
edge and never come here.

Nothing is imported here: the child shall not load what only the edge needs.
"""
