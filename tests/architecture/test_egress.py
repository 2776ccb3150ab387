"""Nothing leaves but through `storage.outbound`: no other module may even import something that dials out."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src/incamera"
CLIENTS = ("httpx", "httpx2", "requests", "aiohttp", "urllib3", "urllib.request", "http.client", "smtplib", "ftplib")
# The edge dials cameras and its server; the outbound factory is the one door of the server.
ALLOWED = {"storage/outbound.py", "storage/outbound_http.py"}


@pytest.mark.req("P-01")
@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_the_outbound_factory_imports_a_client(file: Path) -> None:
    if file.relative_to(ROOT).as_posix() in ALLOWED:
        return
    imported: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
            imported.update(f"{node.module}.{alias.name}" for alias in node.names)
    found = sorted(name for name in imported if any(name == c or name.startswith(f"{c}.") for c in CLIENTS))
    assert not found, f"{file.name} imports {', '.join(found)}; ask storage.outbound.Outbound for a client"
