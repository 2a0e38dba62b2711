"""The record of judgements is complete, and its replay notices what turns for the worse."""

import sys

import pytest
import replay

BAD = "import torch\nfrom torch import nn\nnet = nn.Linear(2, 2)\nprint(net(torch.ones(2)).numpy())\n"


def judged(verdict, line=4, code="DTL101"):
    return replay.Verdict("owner/name@0", "a.py", line, code, verdict, "because")


def test_the_record_is_complete():
    verdicts = replay.load()
    assert len(verdicts) > 100
    assert len({(v.source, v.path, *v.key) for v in verdicts}) == len(verdicts)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"source": "a/b@0"}',
        '{"source":"a/b@0","path":"p","line":1,"code":"DTL101","verdict":"good","why":"x"}',
    ],
)
def test_an_incomplete_line_is_named(line, tmp_path):
    record = tmp_path / "verdicts.jsonl"
    record.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"verdicts\.jsonl:1"):
        replay.load(record)


@pytest.mark.parametrize(
    ("verdict", "found", "worse"),
    [
        ("right", {(4, "DTL101")}, []),
        ("right", set(), ["lost"]),
        ("right", {(4, "DTL102")}, ["lost"]),
        ("wrong", {(4, "DTL101")}, ["back"]),
        ("wrong", {(5, "DTL101")}, []),
        ("arguable", {(4, "DTL101")}, []),
        ("arguable", set(), []),
    ],
)
def test_what_turns_for_the_worse(verdict, found, worse):
    assert [what for what, _ in replay.compare([judged(verdict)], found)] == worse


def test_replay_of_a_laid_out_source(tmp_path, capsys):
    (tmp_path / "owner+name").mkdir()
    (tmp_path / "owner+name" / "a.py").write_text(BAD)
    command = [sys.executable, "-m", "detachlint"]
    assert replay.replay([judged("right")], tmp_path, command) == 0
    assert replay.replay([judged("wrong")], tmp_path, command) == 1
    assert replay.replay([judged("right", line=3)], tmp_path, command) == 1
    assert "unjudged: owner/name@0 a.py:4 DTL101" in capsys.readouterr().out
