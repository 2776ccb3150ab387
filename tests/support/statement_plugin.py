"""Runs the statement check over every test: the one that sends a statement outside its activities fails."""

from collections.abc import Iterator

import pytest

from incamera.privacy.registry import Registry
from tests.support.statements import StatementCheck, statement_check


def _whole_registry() -> Registry:
    from incamera.app import make_registry
    from incamera.privacy.operator_file import household

    return make_registry(household())


@pytest.fixture(scope="session")
def statements() -> Iterator[StatementCheck]:
    """All statements of this run, judged by the registry of the whole program."""
    with statement_check(_whole_registry) as check:
        yield check


@pytest.fixture(autouse=True)
def stays_within_its_activities(statements: StatementCheck) -> Iterator[None]:
    """Fails the test in which a statement went too far."""
    before = set(statements.violations)
    yield
    new = statements.violations - before
    assert not new, "statements outside their activities:\n  " + "\n  ".join(statements.report())
