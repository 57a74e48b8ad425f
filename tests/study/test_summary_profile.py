"""A summary prints the profile too, if asked."""

from tinynet import Sequential
from tinynet.layers import Dense


def test_the_summary_shows_the_profile_if_asked():
    model, printed = Sequential([Dense(3, input_dim=4)]), []
    model.summary(print_fn=printed.append)
    assert len(printed) == 1
    model.summary(print_fn=printed.append, profile=True)
    assert printed[1] == printed[0]
    assert "dense_1" in printed[2]
    assert "12" in printed[2]                            # 4 x 3 multiply-adds
