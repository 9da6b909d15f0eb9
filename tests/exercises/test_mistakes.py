"""The checks of the exercises: answers pass them, and mistakes are told by name."""

import pytest

from exercises.machinery import catalogue, examine
from exercises.machinery.checking import checks_of, known, mistakes_of
from exercises.machinery.examine import Attempt

MISTAKES = [(name, mistake) for name in catalogue.EXERCISES for mistake in mistakes_of(name)]


def attempt(name, **functions):
    """The answer to an exercise, loaded, with some of its functions replaced."""
    result = Attempt(name, catalogue.answer(name))
    result._loads()
    for function, other in functions.items():
        setattr(result.module, function, other)
    result._loads = lambda: None
    return result


@pytest.mark.parametrize("name", catalogue.EXERCISES)
def test_the_kept_answer_passes_every_check(name):
    results = list(attempt(name).results())
    assert [each["name"] for each in results if not each["passed"]] == []
    assert len(results) == 2 + len(checks_of(name))


@pytest.mark.parametrize(
    ("name", "mistake"), MISTAKES, ids=[f"{name}-{each.__name__}" for name, each in MISTAKES]
)
def test_a_known_mistake_is_told_in_its_own_words(name, mistake):
    *_, last = attempt(name, **{mistake.instead_of: mistake}).results()
    told = known(mistake)
    assert last["passed"] is False
    assert last["cause"] == {"rationale": told.sentence, "help": told.look_at}
    assert last["data"]["line"]


@pytest.mark.parametrize("name", catalogue.EXERCISES)
def test_an_exercise_knows_five_mistakes_at_least_and_some_of_each_function(name):
    assert len(mistakes_of(name)) >= 5
    functions = catalogue.functions(catalogue.answer(name))
    assert {each.instead_of for each in mistakes_of(name)} == set(functions)


@pytest.mark.parametrize("name", catalogue.EXERCISES)
def test_every_function_has_checks_and_hints(name):
    functions = set(catalogue.functions(catalogue.answer(name)))
    assert {each.function for each in checks_of(name)} == functions
    plan = examine.plan(name)
    assert len({each["name"] for each in plan}) == len(plan)
    module = __import__(f"exercises.checks.{name}", fromlist=["HINTS"])
    assert set(module.HINTS) == functions
    assert all(len(hints) == 2 for hints in module.HINTS.values())


@pytest.mark.parametrize("name", catalogue.EXERCISES)
@pytest.mark.parametrize("returned", [None, "a text", 7, object()])
def test_a_wrong_type_is_a_sentence_not_a_traceback(name, returned):
    for function in catalogue.functions(catalogue.answer(name)):
        *_, last = attempt(name, **{function: lambda *_, **__: returned}).results()
        assert last["passed"] is False
        assert last["cause"]["rationale"].endswith(".")
        assert "Traceback" not in last["cause"]["rationale"]


@pytest.mark.parametrize("name", ["resize", "groups", "honest_split"])
def test_what_the_code_made_is_drawn_beside_what_it_should_be(name, tmp_path):
    picture = tmp_path / "drawn" / "it.png"
    assert attempt(name).draw(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_code_that_stops_leaves_no_picture(tmp_path):
    assert not attempt("resize", enlarge=lambda *_: 1 / 0).draw(tmp_path / "it.png")
    assert list(tmp_path.iterdir()) == []
