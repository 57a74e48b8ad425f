"""A page that is served, for the tests that ask it over HTTP."""

import pytest
from explored_models import compiled, own_layer, samples_for
from page_client import Client

from tinynet.explore import explore


@pytest.fixture(scope="module")
def served():
    model = compiled(own_layer(), "sparse_categorical_crossentropy")
    with explore(model, *samples_for(model)) as page:
        yield page


@pytest.fixture
def client(served):
    with Client(served.url) as client:
        yield client
