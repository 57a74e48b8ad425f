"""Long lists of cases, of which `make test` tries a sample and `make test-rest` all."""

import pytest


def sampled(cases, every=4):
    """Mark all but one of `every` cases as one for `make test-rest`; a case is a name or a tuple."""
    return [case if at % every == 0 else pytest.param(*(case if isinstance(case, tuple) else (case,)),
                                                      marks=pytest.mark.rest)
            for at, case in enumerate(cases)]
