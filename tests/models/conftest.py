"""Weights to start from."""

import pytest

from tests.models.states import State, torchvisions


@pytest.fixture(scope="session")
def state18() -> State:
    return torchvisions("resnet18")
