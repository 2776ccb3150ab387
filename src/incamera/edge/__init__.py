"""The program beside the cameras: pulls their streams, packs them into chunks, brings them to the server.

    sources ─► feed (runs, chunks, times) ─► lanes (spans) ─► courier (live, spool) ─► uplink/link ─► server
                        ▲ puller, one per camera stream          ▲ supervisor: desired state

It knows nothing of the server's packages and installs on a small board. Design: `docs/design/uplink.md`, `spool.md`.
"""
