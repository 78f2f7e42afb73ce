"""The stages that the tests of faults share: one for each width, since making one takes longer than a run on it."""

from __future__ import annotations

import pytest
from stage import CANARY, Stage, Stages


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """The stage of a width (writes in parallel), made when it is first asked for."""
    made: dict[int, Stage] = {}

    def of(width: int) -> Stage:
        if width not in made:
            with pytest.MonkeyPatch.context() as patch:
                _environment(patch)
                made[width] = Stage(tmp_path_factory.mktemp(f"stage{width}"), wide=width, narrow=width)
        return made[width]

    return of


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is in the environment, where `bac` takes it from."""
    _environment(monkeypatch)


def _environment(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("FAULTS_TOKEN", CANARY)
    patch.setenv("BAC_ENV", "production")


@pytest.fixture
def stage(stages: Stages) -> Stage:
    """The scene, one write at a time, at its beginning."""
    found = stages(1)
    found.start()
    return found
