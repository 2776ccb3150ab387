"""Nothing undeclared: the registry of the whole program, held against its source, routes, tables and versions."""

import ast
import re
from pathlib import Path

import pytest

from incamera.app import create_api, make_registry
from incamera.privacy import vocabulary
from incamera.privacy.commands import Loaded, check, find_checkout
from incamera.privacy.lint import check_routes
from incamera.privacy.operator_file import household
from incamera.privacy.rules import findings
from incamera.privacy.schema import Activity

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    api = create_api()
    return Loaded(make_registry(household(), api), api)


@pytest.mark.req("V-04")
def test_every_rule_holds_and_nothing_is_undeclared(loaded) -> None:
    assert find_checkout() == ROOT
    assert check(loaded, ROOT) == [], "see docs/howto/add-a-personal-field.md"


def test_routes_are_known_to_the_registry(loaded) -> None:
    assert list(check_routes(loaded.registry, loaded.api)) == []
    assert len(loaded.registry.routes) > 20


@pytest.mark.parametrize("activity", make_registry(household()).in_force, ids=lambda activity: activity.id)
def test_every_activity_is_carried_out_by_some_code(activity: Activity) -> None:
    symbols = [name for names in activity.code.model_dump().values() for name in names]
    places = [place for datum in activity.data for place in datum.at]
    assert symbols or places, f"{activity.id} is declared, but no route, job, stream, row or browser key names it"


def test_measures_are_printed_only_with_tests_that_exist() -> None:
    for measure in vocabulary.measures().values():
        for test in measure.tests:
            file, _, name = test.partition("::")
            path = ROOT / file
            assert path.is_file(), f"{measure.id}: {file} does not exist"
            assert re.search(rf"def {name}\b", path.read_text()), f"{measure.id}: {test} does not exist"


def test_no_personal_value_goes_into_a_job() -> None:
    """Payloads hold ids and numbers; a name, an address or a text has no place in the queue."""
    for file in (ROOT / "src/incamera").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            is_add = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add"
            if is_add and len(node.args) == 3 and isinstance(node.args[2], ast.Dict):
                keys = {key.value for key in node.args[2].keys if isinstance(key, ast.Constant)}
                assert all(re.fullmatch(r"\w*_id|\w*_us|epoch|count|number|attempt", str(key)) for key in keys), file


@pytest.mark.req("C-03")
def test_there_is_no_way_to_declare_profiling_or_marketing() -> None:
    assert not [term for term in vocabulary.terms() if re.search("Market|Advertis|Profil", term)]


@pytest.mark.req("P-01")
def test_a_default_install_sends_nothing_to_anyone(loaded) -> None:
    assert loaded.registry.operator.allowed_hosts() == frozenset()
    assert findings(loaded.registry) == []
