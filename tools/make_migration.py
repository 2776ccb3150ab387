"""Writes the next migration from the tables: `python tools/make_migration.py "add x"`.

With `--initial` the first migration is written anew; only while no release carries it. Read what it wrote before
committing: Alembic sees added and dropped columns, not a renamed one.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from incamera.app import import_tables
from incamera.storage import migrations
from incamera.storage.database import Database

VERSIONS = Path(migrations.__file__).parent / "versions"


async def make(message: str, revision: str) -> None:
    """Upgrades an empty database to the newest migration and writes what is still missing."""
    import_tables()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/empty.db")

        def write(connection: Connection) -> None:
            config = migrations.config(connection)
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=revision)

        async with database.engine.connect() as connection:
            await connection.run_sync(write)
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("message")
    parser.add_argument("--initial", action="store_true", help="write migration 0001 anew")
    options = parser.parse_args()
    if options.initial:
        for old in VERSIONS.glob("0*.py"):
            old.unlink()
    number = 1 + max((int(re.match(r"\d+", path.name)[0]) for path in VERSIONS.glob("0*.py")), default=0)
    asyncio.run(make(options.message, f"{number:04d}"))
    for path in VERSIONS.glob(f"{number:04d}_*.py"):
        for tidy in (["format", "--quiet"], ["check", "--fix", "--quiet"]):
            subprocess.run([sys.executable, "-m", "ruff", *tidy, path], check=True)
        print(f"wrote {path.name}: read it before you commit it", file=sys.stderr)


if __name__ == "__main__":
    main()
