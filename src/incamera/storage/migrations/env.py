"""Alembic's entry point: works on the connection that `incamera.storage.migrations` (or a test) hands it."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from incamera.storage.database import Base, UtcDateTime


def _render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Our own column types by their import, so that a generated file runs as it is."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from incamera.storage.database import UtcDateTime")
        return "UtcDateTime()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=_render_item,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
