"""Wrong answers such as beginners write: each is marked wrong, most with the right cause, and none with a false one."""

import pytest
from answers import TASKS, function, marked, read

WRONG = read("wrong_answers")
SAMPLE = WRONG[::25]
# What is said without a claim to know the cause.
NEUTRAL = {"unknown", "exception", "shape", "not finite"}


def judge(answer):
    """Mark a wrong answer; return whether its cause was named."""
    verdict = marked(answer.task, function(answer))
    assert not verdict.passed, answer
    assert not verdict.unfinished, answer
    assert 0 <= verdict.score < 1
    assert verdict.cause in {*answer.causes, *NEUTRAL}, f"{answer}\n{verdict}"       # never a misleading one
    return verdict.cause in answer.causes


def test_the_catalogue_is_large_and_leaves_no_exercise_out():
    assert len(WRONG) >= 300
    assert {answer.task for answer in WRONG} >= set(TASKS) - {"network"}


@pytest.mark.slow
def test_one_in_twenty_five_is_marked_wrong_and_nine_in_ten_for_the_right_reason():
    named = [judge(answer) for answer in SAMPLE]
    assert sum(named) >= 0.9 * len(named)


@pytest.mark.long
def test_all_are_marked_wrong_and_nine_in_ten_for_the_right_reason():
    named = {answer.name: judge(answer) for answer in WRONG}
    print([name for name, right in named.items() if not right])
    assert sum(named.values()) >= 0.9 * len(named)
