"""`python -m tests.faults.many_edges URL FOLDER`: every edge that has a folder in FOLDER, in one process.

Each is a whole `incamera.edge.main.Edge` with its own key, and no camera. Prints a line for every connection that was
welcomed and for every change of what is wrong: what happened, and when.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from base64 import b64encode
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from incamera.edge.main import Edge, EdgeOptions, add_arguments
from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id


def multiply(folder: Path, database: Path, count: int) -> None:
    """Makes `count` more edges like the one that enrolled as FOLDER/0: rows of a stopped server, keys and folders.

    Straight into the table, because no account may have that many; a server with many accounts does.
    """
    identity = json.loads((folder / "0" / "identity.json").read_text())
    with sqlite3.connect(database) as db:
        db.row_factory = sqlite3.Row
        [first] = db.execute("SELECT * FROM edge WHERE id = ?", (identity["edge_id"].replace("-", ""),)).fetchall()
        for number in range(1, count + 1):
            key, edge_id = Ed25519PrivateKey.generate(), new_id()
            row = {**dict(first), "id": edge_id.hex, "public_key": key.public_key().public_bytes_raw(), "name": None}
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO edge ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
            mine = {**identity, "edge_id": str(edge_id), "private_key": b64encode(key.private_bytes_raw()).decode()}
            (folder / str(number)).mkdir()
            (folder / str(number) / "identity.json").write_text(json.dumps(mine))


def _tell(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    return f"{line['event']} {time.monotonic():.3f}"


def _options(url: str, folder: Path) -> EdgeOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return EdgeOptions.parse(parser.parse_args(["--server", url, "--data", str(folder), "--unconfined"]))


async def _live(options: list[EdgeOptions]) -> None:
    edges = [Edge(one, SystemClock()) for one in options]
    for edge in edges:
        await edge.open()
    async with asyncio.TaskGroup() as group:
        for edge in edges:
            group.create_task(edge.run())


if __name__ == "__main__":
    structlog.configure(processors=[_tell], logger_factory=structlog.PrintLoggerFactory(sys.stdout))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live([_options(sys.argv[1], place) for place in sorted(Path(sys.argv[2]).iterdir())]))
