"""One sandbox for a module's tests; faults, tokens and pace are well again before each."""

from collections.abc import Iterator

import pytest

from tests.sandbox.platforms.drive import Drive, running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    """A running sandbox."""
    with running(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def drive(shared: Drive) -> Drive:
    """The module's sandbox, well."""
    shared.well()
    for platform in ("meta", "linkedin", "google"):
        shared.pace(platform, 0)
    return shared
