# test_sliding.py
import pytest

from corrected import CorrectedSliding
from tinynet.testing import layer_checks

CHECKS = layer_checks(lambda: CorrectedSliding(2), (6, 2), expected_failures={
    "config_round_trip": "size is not in get_config yet",
})


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_sliding(check):
    check()
