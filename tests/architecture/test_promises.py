"""Sentences of the privacy notice that only the shape of the program can prove."""

import ast
from pathlib import Path

import pytest

from incamera.app import create_api, make_registry
from incamera.privacy.lint import list_routes
from incamera.privacy.operator_file import household

ROOT = Path(__file__).parents[2] / "src/incamera"
# What looks into pictures or sound: decoders, detectors, recognisers.
ANALYSERS = frozenset({"av", "cv2", "onnxruntime", "torch", "tensorflow", "face_recognition", "insightface", "PIL"})
# Beside the cameras a picture is decoded to become a cover or a test picture; the scenes of the demo are drawn.
DECODES_FOR_COVERS = ("edge/decoder/", "edge/simulated/", "edge/sound/", "edge/audio")


def imported_by(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.req("B0-04")
def test_nothing_in_the_server_can_look_into_a_picture() -> None:
    for file in sorted(ROOT.rglob("*.py")):
        name = file.relative_to(ROOT).as_posix()
        if not name.startswith("edge/"):
            assert not imported_by(file) & ANALYSERS, name
        assert not imported_by(file) & (ANALYSERS - {"av"}), name


@pytest.mark.req("B0-04")
def test_no_activity_declares_recognition_or_detection() -> None:
    registry = make_registry(household())
    assert not [activity.id for activity in registry.activities if activity.id.startswith("B10.")]
    for activity in registry.in_force:
        for datum in activity.data:
            assert "biometric" not in (datum.term + datum.broader).lower()


@pytest.mark.req("X-02")
def test_no_route_is_for_an_operator_to_see_pictures() -> None:
    """There is no role above an owner: whoever looks at a camera does so by their own rights."""
    routes = [str(route) for route in list_routes(create_api())]
    assert routes
    assert not [route for route in routes if any(word in route for word in ("/admin", "/operator", "/impersonate"))]
    registry = make_registry(household())
    for activity in registry.in_force:
        if any(datum.special_risk for datum in activity.data):
            assert not [recipient for recipient in activity.recipients if recipient.who == "staff"], activity.id
