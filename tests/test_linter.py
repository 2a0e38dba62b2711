"""One source to findings, and every way in which a file can be no source at all."""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from faketracker import track

from detachlint import linter as rooms
from detachlint import parallel, rulebook, sources
from detachlint.config import Settings
from detachlint.findings import Location
from detachlint.linter import Linter, Outcome
from detachlint.sources import Source, SourceError

BAD = "loss.backward()\ntotal += loss\nx = a + out.numpy()\n"


@pytest.fixture(scope="module")
def book():
    return rulebook.load()


def make(book, *codes, tracker=track, **settings):
    codes = codes or ("DTL101", "DTL301")
    return Linter(Settings(settings.pop("root", Path.cwd()), **settings), book, book.only(codes), tracker)


def test_events_become_findings_with_places_traces_and_fixes(book):
    first, second = make(book).lint(Source("x.py", "é = 1; " + BAD.replace("\n", "\r\n")))[:2]
    assert (first.code, first.location, first.end_location) == ("DTL301", Location(2, 1), Location(2, 14))
    assert [(step.filename, step.location.row) for step in first.trace] == [("x.py", 1), ("x.py", 2)]
    assert first.trace[0].location == Location(1, 8)
    assert first.fix.applicability == "safe"
    assert first.fix.edits[0].location == Location(2, 14)
    assert (second.code, second.location, second.end_location) == ("DTL101", Location(3, 9), Location(3, 20))
    assert second.url.endswith("README.md")


def test_one_finding_for_a_node_that_is_reached_twice(book):
    def twice(*arguments):
        return track(*arguments) * 2

    assert len(make(book, tracker=twice).lint(Source("x.py", BAD))) == 2


def test_a_value_without_a_graph_that_is_spent_is_fixed_unsafely(book):
    linter = make(book, fix=True)
    finding = linter.lint(Source("x.py", "total += loss\n"))[0]
    assert finding.fix.applicability == "unsafe"
    assert linter.outcome_of(Source("x.py", "total += loss\n")).fixed is None
    bold = replace(linter, settings=replace(linter.settings, unsafe_fixes=True))
    assert bold.outcome_of(Source("x.py", "total += loss\n")).fixed == "total += loss.detach()\n"


def test_what_cannot_be_detached_says_why(book):
    finding = make(book).lint(Source("x.py", "total += (a, b)\n"))[0]
    assert finding.fix is None
    assert "tuple" in finding.unfixable


@pytest.mark.parametrize("use", ["total_seen(**out)", "print(out['loss'])", "assert isinstance(out, dict)"])
def test_what_is_used_like_a_container_has_no_fix(book, use):
    finding = make(book).lint(Source("x.py", f"total += out\n{use}\n"))[0]
    assert finding.fix is None
    assert "`out` is used like a container" in finding.unfixable


def test_a_long_value_is_cut_in_the_message(book):
    finding = make(book, "DTL101").lint(Source("x.py", f"{'very_' * 40}long.numpy()\n"))[0]
    assert len(finding.message) < 200


def test_rules_that_do_not_run_say_nothing(book):
    assert [finding.code for finding in make(book, "DTL101").lint(Source("x.py", BAD))] == ["DTL101"]
    assert make(book, "DTL104").lint(Source("x.py", BAD)) == []


def test_per_file_ignores(book, tmp_path):
    ignores = (("tests/*", ("DTL3",)), ("/a.py", ("DTL101", "DTL301")))
    linter = make(book, root=tmp_path, per_file_ignores=ignores)

    def codes(name):
        return [finding.code for finding in linter.lint(Source(str(tmp_path / name), BAD))]

    assert codes("b.py") == ["DTL301", "DTL101"]
    assert codes("tests/b.py") == codes("tests/deep/b.py") == ["DTL101"]
    assert codes("a.py") == []
    assert codes("sub/a.py") == ["DTL301", "DTL101"]
    assert codes("../a.py") == ["DTL301", "DTL101"]


def test_a_repaired_source(book):
    outcome = make(book, fix=True).outcome_of(Source("x.py", BAD))
    assert outcome.fixed.splitlines()[1] == "total += loss.detach()"
    assert outcome.fixed.splitlines()[2] in ("x = a + out.detach().numpy()", "x = a + out.numpy()")
    assert outcome.fixes + len(outcome.findings) == len(outcome.before) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = (\n", "x.py:1:5: cannot be parsed: '(' was never closed"),
        ("\n\n  x\n", "x.py:3:2: cannot be parsed: unexpected indent"),
        ("x = 1\0", "x.py"),
        ("x = " + "(" * 5000 + ")" * 5000, "cannot be parsed"),
        ("x = " + "-" * 100_000 + "1", "cannot be parsed"),
        ("x" + ".x" * 200_000, "x.py"),
        ("x = '\udcff'", "cannot be parsed"),
    ],
)
def test_what_cannot_be_parsed_is_one_clear_line(book, text, words):
    outcome = make(book).outcome_of(Source("x.py", text))
    if outcome.error is None:  # newer parsers take some of these
        assert sys.version_info >= (3, 12) or "." in text
        return
    assert words in outcome.error
    assert "\n" not in outcome.error
    assert len(outcome.error) < 300


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_what_is_too_deep_for_the_parser_is_no_error_of_the_program(book, monkeypatch, error):
    def refuse(text):
        raise error

    with monkeypatch.context() as patch:  # pytest parses too, to tell of a failure
        patch.setattr(rooms.ast, "parse", refuse)
        outcome = make(book).outcome_of(Source("x.py", "x = 1\n"))
    assert outcome.error == "x.py: cannot be parsed: nested too deeply for Python's parser"


def test_an_error_of_the_program_is_told_with_the_file_and_where_to_report_it(book):
    outcome = make(book).outcome_of(Source("dir/x.py", "crash = 1\n"))
    assert outcome.error.startswith(
        "dir/x.py: internal error: KeyError: 'no such\\nplace' (in faketracker.py:"
    )
    assert rooms.ISSUES in outcome.error
    assert "\n" not in outcome.error
    assert "too deeply" in make(book).outcome_of(Source("x.py", "deep = 1\n")).error


def test_the_linted_code_warns_nobody(book):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make(book).lint(Source("x.py", "x = '\\d' is 1\nassert (x, 'y')\n")) == []


def test_a_file_that_cannot_be_read(book, tmp_path):
    assert "no such file" in make(book).outcome(str(tmp_path / "gone.py")).error


def test_the_users_models_are_known(book):
    tables = '{"call": [{"names": ["mylib.keep"], "sink": "keeps"}], "class": []}'
    assert rooms.known_models(tables).call("mylib.keep").sink == "keeps"
    assert rooms.known_models(tables) is rooms.known_models(tables)


def work(name):
    if "die" in name:
        import os

        os._exit(3)
    return Outcome(name)


def screened(*names, size=10**9):
    return sources.Screened(tuple(names), size, ())


@pytest.mark.parametrize("jobs", [1, 2])
def test_outcomes_come_in_the_order_of_the_files(jobs):
    names = [f"{number}.py" for number in range(50)]
    told = []
    outcomes = parallel.run(work, screened(*names), jobs, lambda done, total: told.append((done, total)))
    assert [outcome.filename for outcome in outcomes] == names
    assert told[-1] == (50, 50)


def test_few_files_start_no_process():
    outcomes = parallel.run(Outcome, screened("a", "b", size=100), 2)
    assert [outcome.filename for outcome in outcomes] == ["a", "b"]


def test_a_file_that_kills_its_process_costs_only_itself():
    names = [f"{number}.py" for number in range(20)]
    names[3] = "die3.py"
    names[17] = "die17.py"
    outcomes = list(parallel.run(work, screened(*names), 2))
    assert [outcome.filename for outcome in outcomes] == names
    failed = [outcome.filename for outcome in outcomes if outcome.error]
    assert failed == ["die3.py", "die17.py"]


def test_a_linter_can_be_sent_to_another_process(book, tmp_path):
    names = []
    for number in range(12):
        path = tmp_path / f"{number}.py"
        path.write_text(BAD * 3)
        names.append(str(path))
    outcomes = list(parallel.run(make(book).outcome, screened(*names), 2))
    assert [outcome.filename for outcome in outcomes] == names
    assert all(len(outcome.findings) == 6 for outcome in outcomes)


def test_the_error_of_a_source_is_an_error_of_its_file():
    with pytest.raises(SourceError):
        rooms.parse(Source("x.py", "("))
