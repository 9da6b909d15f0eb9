"""What a learner gets is made from the answers, and says the truth about itself."""

import ast
import subprocess

import pytest

from exercises.machinery import catalogue, stubs


@pytest.mark.parametrize("name", catalogue.EXERCISES)
def test_the_exercise_is_its_answer_without_the_solution(name):
    path = catalogue.HERE / f"{name}.py"
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", path], cwd=catalogue.HERE)
    if changed.returncode == 1:
        pytest.skip(f"{path} is being worked on")
    assert path.read_text(encoding="utf-8") == stubs.stub(name)


@pytest.mark.parametrize("name", catalogue.EXERCISES)
def test_a_stub_asks_for_every_function_and_gives_none_away(name):
    stub, answer = stubs.stub(name), catalogue.answer(name).read_text(encoding="utf-8")
    gaps = stub.count("    raise NotImplementedError\n")
    assert gaps == len(catalogue.functions(catalogue.answer(name)))
    assert "SOLUTION" not in stub
    for match in stubs.SOLUTION.finditer(answer):
        assert match[2] not in stub
    assert ast.get_docstring(ast.parse(stub)) == ast.get_docstring(ast.parse(answer))


@pytest.mark.parametrize("name", catalogue.EXERCISES)
def test_the_top_says_how_many_lines_there_are_to_write(name):
    assert int(catalogue.effort(name)[2]) == stubs.lines_to_write(name)


def test_an_exercise_comes_back_and_the_others_stay(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "HERE", tmp_path)
    (tmp_path / "answers").mkdir()
    for name in catalogue.EXERCISES:
        text = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n"
        (tmp_path / "answers" / f"{name}.py").write_text(text)
    (tmp_path / "resize.py").write_text("mine")
    stubs.main([])
    assert (tmp_path / "resize.py").read_text() == "mine"
    assert "NotImplementedError" in (tmp_path / "groups.py").read_text()
    stubs.main(["resize"])
    assert "about 1 line." in (tmp_path / "resize.py").read_text()
    assert (tmp_path / "resize.py.before-1").read_text() == "mine"
    assert "resize.py: kept as resize.py.before-1" in capsys.readouterr().out


def test_an_unknown_name_is_told_those_that_there_are(capsys):
    with pytest.raises(SystemExit) as stop:
        stubs.main(["resise"])
    assert stop.value.code == 2
    names = ", ".join(catalogue.EXERCISES)
    assert f"resise: expected one of {names} (see" in capsys.readouterr().err
