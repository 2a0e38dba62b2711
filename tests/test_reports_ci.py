"""The reports for CI servers: each is checked against its schema, and means what the findings mean."""

import json
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
import xmlschema
from click.testing import CliRunner

from detachlint import reports, rulebook
from detachlint.cli import main
from detachlint.edits import apply_edits
from detachlint.findings import Edit, Finding, Fix, Location, Silenced, Step
from detachlint.fingerprints import fingerprint
from detachlint.reports.context import Context, top_of

SCHEMAS = Path(__file__).parent / "schemas"
ROOT = Path(__file__).resolve().parent.parent
SERVERS = ("sarif", "gitlab", "junit", "github")
TRAIN = """import torch
from torch import nn


def fit(model: nn.Module, loader, optimizer):
    total = 0.0
    for points, labels in loader:
        loss = nn.functional.cross_entropy(model(points), labels)
        loss.backward()
        optimizer.step()
        total += loss
    print(model(points).numpy())  # detachlint: ignore[DTL101] never called with grad
    print(model(labels).numpy())
    return float(total)
"""


def json_schema(name: str):
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def check(name: str, text: str):
    """The report as data, after its schema has said yes."""
    if name == "junit":
        document = xmlschema.XMLSchema(SCHEMAS / "junit.xsd")
        document.validate(text)
        return document.to_dict(text)
    if name == "github":
        data = [_command(line) for line in text.splitlines()]
        for command in data:
            json_schema("github-annotation.json").validate(command)
        return data
    data = json.loads(text)
    json_schema({"sarif": "sarif-2.1.0.json", "gitlab": "gitlab-code-quality.json"}[name]).validate(data)
    return data


def _command(line: str):
    match = re.fullmatch(r"::(\w+) ((?:[^:,%\s=]|%[0-9A-F]{2}|[=, ()])+)::(.+)", line)
    assert match, line
    properties = dict(part.split("=", 1) for part in match[2].split(","))
    return {
        "command": match[1],
        "properties": {key: unquote(value) for key, value in properties.items()},
        "message": unquote(match[3]),
    }


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "repository" / "package"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (folder / "pyproject.toml").write_text("[tool.detachlint]\n")
    (folder / "train it.py").write_text(TRAIN)
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: str, status: int = 1):
    result = CliRunner().invoke(main, ["--no-cache", *arguments])
    assert result.exit_code == status, result.output
    return result


HOSTILE = Finding(
    code="DTL301",
    name="tracked-tensor-accumulated",
    message="a \x1b[2J]]> <b>&\u202e\ud800 \x00 100% message",
    filename='we ird/ü<&">%.py',
    location=Location(3, 2),
    end_location=Location(4, 1),
    trace=(Step("/elsewhere/b.py", Location(1, 1), Location(1, 1), "\x00"),),
    fix=Fix("unsafe", "mend\x0b", (Edit(Location(3, 2), Location(3, 2), "\x00"),)),
)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("findings", [[], [HOSTILE], [HOSTILE, replace(HOSTILE, cell=2, trace=(), fix=None)]])
def test_whatever_the_findings_hold_the_report_is_valid(name, findings):
    context = Context(errors=["a.py: broken\x00 <"], rules=rulebook.load().rules)
    text = reports.render(name, findings, lambda *_: (), context=context)
    text.encode("utf-8", "backslashreplace")
    check(name, text.encode("utf-8", "backslashreplace").decode())


@pytest.mark.parametrize("name", SERVERS)
def test_paths_are_the_repositorys_wherever_it_is_run(name, project, monkeypatch):
    first = run("--output-format", name).stdout
    check(name, first)
    assert ("package/train%20it.py" if name == "sarif" else "package/train it.py") in first or name == "junit"
    monkeypatch.chdir(project.parent)
    again = run("--output-format", name, "package").stdout
    if name in ("sarif", "gitlab"):
        assert again == first
        assert str(project.parent) not in first


def test_sarif_says_what_the_findings_say(project):
    (run_,) = check("sarif", run("--output-format", "sarif").stdout)["runs"]
    rules = run_["tool"]["driver"]["rules"]
    shown, hidden = {}, {}
    for result in run_["results"]:
        (hidden if "suppressions" in result else shown)[result["ruleId"]] = result
    total, numpy = shown["DTL301"], hidden["DTL101"]
    assert rules[total["ruleIndex"]]["id"] == "DTL301"
    assert rules[total["ruleIndex"]]["help"]["markdown"].startswith("# tracked-tensor-accumulated (DTL301)")
    assert (total["level"], shown["DTL101"]["level"]) == ("warning", "error")
    region = total["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 11, "startColumn": 9, "endLine": 11, "endColumn": 22}
    assert total["locations"][0]["logicalLocations"] == [{"name": "fit", "fullyQualifiedName": "fit"}]
    found = json.loads(run("--output-format", "json").stdout)
    trace = next(finding["trace"] for finding in found if finding["code"] == "DTL301")
    flow = total["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in flow] == [step["text"] for step in trace]
    rows = [step["location"]["physicalLocation"]["region"]["startLine"] for step in flow]
    assert rows == [step["location"]["row"] for step in trace]
    assert numpy["suppressions"] == [{"kind": "inSource", "justification": "never called with grad"}]
    assert run_["invocations"] == [{"executionSuccessful": True}]
    assert "baselineState" not in total


def test_the_fixes_in_sarif_are_those_of_the_command(project):
    (run_,) = check("sarif", run("--output-format", "sarif").stdout)["runs"]
    edits = []
    for result in run_["results"]:
        if "suppressions" in result:
            continue
        for change in result["fixes"][0]["artifactChanges"]:
            for item in change["replacements"]:
                region = item["deletedRegion"]
                start = Location(region["startLine"], region["startColumn"])
                end = Location(region["endLine"], region["endColumn"])
                edits.append(Edit(start, end, item["insertedContent"]["text"]))
    assert len(edits) == 2
    run("--fix", status=0)
    assert apply_edits(TRAIN, edits) == (project / "train it.py").read_text()


def test_fingerprints_stay_when_lines_move_and_code_is_formatted(project):
    def known():
        (run_,) = check("sarif", run("--output-format", "sarif").stdout)["runs"]
        prints = [result["partialFingerprints"]["detachlint/v1"] for result in run_["results"]]
        assert len(prints) == len(set(prints)) == 3
        issues = check("gitlab", run("--output-format", "gitlab").stdout)
        return set(prints), {issue["fingerprint"] for issue in issues}

    before = known()
    file = project / "train it.py"
    moved = TRAIN.replace("def fit", "\n\n# a comment\nLIMIT = 3\n\n\ndef fit")
    file.write_text(moved.replace("model(labels).numpy()", "model(\n        labels,  # these\n    ).numpy()"))
    assert known() == before
    file.write_text(TRAIN.replace("def fit", "def train"))
    assert known()[1].isdisjoint(before[1])


def test_like_findings_have_different_fingerprints(project):
    twice = "    print(model(labels).numpy())\n"
    (project / "train it.py").write_text(TRAIN.replace(twice, twice * 2))
    issues = check("gitlab", run("--output-format", "gitlab").stdout)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 3


def test_a_fingerprint_depends_on_rule_path_scope_and_code():
    base = Path("/base")
    finding = replace(HOSTILE, filename="/base/a.py", scope="f", essence="x.numpy()")
    others = [
        replace(finding, code="DTL302"),
        replace(finding, filename="/base/b.py"),
        replace(finding, scope="g"),
        replace(finding, essence="y.numpy()"),
    ]
    assert len({fingerprint(item, base) for item in (finding, *others)}) == 5
    assert fingerprint(replace(finding, location=Location(9, 9), message=""), base) == fingerprint(
        finding, base
    )


def test_junit_counts_and_names(project):
    report = check("junit", run("--output-format", "junit").stdout)
    assert (report["@tests"], report["@failures"], report["@errors"]) == (2, 2, 0)
    cases = report["testsuite"][0]["testcase"]
    assert Counter(case["failure"]["@type"] for case in cases) == {"DTL301": 1, "DTL101": 1}
    assert {case["@classname"] for case in cases} == {"train it.fit"}
    (project / "train it.py").write_text("import torch\n")
    clean = check("junit", run("--output-format", "junit", status=0).stdout)
    assert (clean["@tests"], clean["@failures"], clean["@errors"]) == (1, 0, 0)
    (project / "train it.py").write_text("import torch(\n")
    broken = check("junit", run("--output-format", "junit", status=2).stdout)
    assert (broken["@tests"], broken["@failures"], broken["@errors"]) == (1, 0, 1)


def test_github_annotations(project):
    commands = check("github", run("--output-format", "github").stdout)
    total = next(item for item in commands if "DTL301" in item["properties"]["title"])
    assert total["properties"] == {
        "title": "detachlint (DTL301)",
        "file": "package/train it.py",
        "line": "11",
        "col": "9",
        "endLine": "11",
        "endColumn": "22",
    }
    assert "\n1. train it.py:" in total["message"]


def test_what_fails_is_in_the_report(project):
    (project / "broken.py").write_text("import torch(\n")
    (run_,) = check("sarif", run("--output-format", "sarif", status=2).stdout)["runs"]
    (invocation,) = run_["invocations"]
    assert not invocation["executionSuccessful"]
    (note,) = invocation["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("broken.py:1:")


@pytest.mark.parametrize("name", [*SERVERS, "json", "full", "concise"])
def test_an_output_file_gets_the_report_and_the_terminal_the_summary(name, project):
    shown = run("--output-format", name, "--quiet").stdout
    result = run("--output-format", name, "--output-file", "report.txt")
    assert Path("report.txt").read_text() == shown
    assert result.stdout == "Found 2 errors (2 fixable with --fix).\n"
    assert run("--output-format", name, "-o", "report.txt", "--quiet").stdout == ""


def test_an_output_file_that_cannot_be_is_said_before_anything_is_done(project):
    result = run("-o", "nowhere/report.txt", "--fix", status=2)
    assert "nowhere/report.txt: cannot be written: no such folder" in result.stderr
    assert (project / "train it.py").read_text() == TRAIN


def test_an_output_file_is_replaced_in_one_step(project):
    Path("report.txt").write_text("old")
    os.link("report.txt", "other.txt")
    result = run("-o", "report.txt", status=2)
    assert result.stderr.startswith(
        "detachlint: error: report.txt: cannot be written: it has other hard links"
    )
    assert Path("report.txt").read_text() == "old"


def test_the_top_of_a_repository(tmp_path):
    assert top_of(tmp_path / "a") == tmp_path / "a"
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert top_of(tmp_path / "a" / "b") == tmp_path


def test_a_baseline_is_told_from_what_is_new():
    old = Silenced(replace(HOSTILE, filename="a.py"), "external", "in the baseline")
    context = Context(Path(os.getcwd()), silenced=[old], compared=True)
    new = replace(HOSTILE, filename="b.py")
    (run_,) = check("sarif", reports.render("sarif", [new], lambda *_: (), context=context))["runs"]
    states = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: result["baselineState"]
        for result in run_["results"]
    }
    assert states == {"a.py": "unchanged", "b.py": "new"}
