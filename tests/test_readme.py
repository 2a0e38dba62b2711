"""The README keeps its word: the picture, the table of rules, the commands, the config, the two programs.

Run as a program, it writes the picture and the table of rules anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "full.svg"
BEGIN, END = (
    "<!-- rules: written by `python tests/test_readme.py` from rules/*/rule.toml -->\n",
    "<!-- end of rules -->",
)


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def rules_table() -> str:
    lines = ["| code | reports | set | fix |", "|---|---|---|---|"]
    for path in sorted((ROOT / "rules").glob("*/rule.toml")):
        rule = tomllib.loads(path.read_text(encoding="utf-8"))
        link = f"[{rule['code']}](rules/{path.parent.name}/README.md) {rule['name']}"
        fix = rule.get("fix", {}).get("applicability", "none").replace("-", " ")
        lines.append(f"| {link} | {rule['summary']} | {rule['set']} | {fix} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    before, rest = text.split(BEGIN)
    return before + BEGIN + rules_table() + END + rest.split(END)[1]


def test_the_table_of_rules_is_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_table(text), "run: python tests/test_readme.py"


def picture() -> str:
    trainer = ROOT / "examples" / "trainer"
    options = ("--no-cache", "--isolated", "--select", "DTL101,DTL301", "--output-format", "svg")
    return detachlint(trainer, *options, "evaluate.py", "train.py").stdout


def test_the_picture_is_what_the_program_makes() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run: python tests/test_readme.py"


def test_there_are_two_commands_to_set_up_and_ci_runs_the_second() -> None:
    setups = [block for block in blocks("sh") if "-m venv" in block]
    assert len(setups) == 2
    assert all(block.count("\n") == 1 for block in setups)
    install = "-m pip install --editable '.[test]'"
    assert install in setups[1]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "'.[test]'" in script and "-m pytest" in script


def test_links_lead_somewhere() -> None:
    for page in (README, ROOT / "CONTRIBUTING.md", ROOT / "examples" / "trainer" / "README.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def detachlint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "detachlint", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_config_shown_is_understood(tmp_path: Path) -> None:
    (block,) = (block for block in blocks("toml") if "[tool.detachlint]" in block)
    (tmp_path / "pyproject.toml").write_text(block, encoding="utf-8")
    (tmp_path / "a.py").write_text("import torch\n", encoding="utf-8")
    result = detachlint(tmp_path, "--no-cache", ".")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("first", "schema"),
    [("# .github/workflows/", "vendor.github-workflows"), ("# .gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_the_examples_for_servers_are_understood_by_them(first: str, schema: str, tmp_path: Path) -> None:
    examples = [block for block in blocks("yaml") if block.startswith(first)]
    assert examples
    for number, block in enumerate(examples):
        (tmp_path / f"{number}.yml").write_text(block, encoding="utf-8")
    names = [f"{number}.yml" for number in range(len(examples))]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *names]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_options_shown_exist() -> None:
    known = set(re.findall(r"--[a-z-]+", detachlint(ROOT, "--help").stdout))
    shown = {
        option
        for block in (*blocks("sh"), *blocks("yaml"))
        for line in re.findall(r"\bdetachlint (-.*)", block)
        for option in re.findall(r"(?<!\S)--[a-z-]+", line)
    }
    assert len(shown) > 10
    assert shown - known <= {"--all-files"}


def test_ruff_leaves_the_comments_alone_if_told_so(tmp_path: Path) -> None:
    (block,) = (block for block in blocks("toml") if "[tool.ruff" in block)
    source = "x = f()  # noqa: DTL101\n"
    (tmp_path / "a.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "RUF", "--fix", "a.py"]

    def after_ruff() -> str:
        subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
        return (tmp_path / "a.py").read_text(encoding="utf-8")

    (tmp_path / "pyproject.toml").write_text(block, encoding="utf-8")
    assert after_ruff() == source
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    assert after_ruff() != source


def tutorials() -> list[str]:
    return [block for block in blocks("python") if "out.backward()" in block]


@pytest.mark.parametrize("number", [0, 1])
def test_the_tutorials_programs_are_right_and_silent(number: int, tmp_path: Path) -> None:
    source = tutorials()[number]
    values: dict[str, object] = {}
    exec(source, values)
    assert values["x"].grad.tolist() == [[4.5, 4.5], [4.5, 4.5]]  # type: ignore[attr-defined]
    (tmp_path / "a.py").write_text(source, encoding="utf-8")
    result = detachlint(tmp_path, "--isolated", "--no-cache", "--select", "ALL", "a.py")
    assert (result.returncode, result.stderr) == (0, ""), result.stdout


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
