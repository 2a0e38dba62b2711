"""The command as its users run it, with a tracker that is not under test here."""

import json
import os
import re
from pathlib import Path

import faketracker
import pytest
from click.testing import CliRunner

from detachlint import tracking
from detachlint.cli import main

BAD = "import torch\nloss.backward()\ntotal += loss\n"
FIXED = BAD.replace("+= loss", "+= loss.detach()")
UNSPENT = "import torch\ntotal += loss\n"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "track", faketracker.track, raising=False)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    Path(".git").mkdir()
    return tmp_path / "project"


def run(*arguments: str, status: int, input: str | bytes | None = None):
    result = CliRunner().invoke(main, arguments, input=input)
    assert result.exit_code == status, (result.exit_code, result.output, result.exception)
    return result


def write(name: str, text: str | bytes = BAD) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_findings_are_status_1_and_a_summary():
    write("src/a.py")
    result = run("src", status=1)
    assert result.stdout.startswith("src/a.py:3:1: DTL301 [*] ")
    assert result.stdout.endswith("Found 1 error (1 fixable with --fix).\n")
    assert result.stderr == ""


def test_the_default_is_the_current_folder():
    write("src/a.py")
    assert run(status=1).stdout == run("src", status=1).stdout


def test_clean_is_status_0():
    write("a.py", "import torch\n")
    assert run(status=0).output == "Nothing to detach.\n"
    assert run("--quiet", status=0).output == ""


def test_no_python_files_is_status_0_and_silent():
    write("notes.txt")
    assert run(status=0).output == ""


def test_what_fails_is_status_2_and_the_rest_is_linted():
    write("a.py")
    write("broken.py", "import torch\nx = (\n")
    write("latin.py", b"# torch \xff\n")
    write("crash.py", "import torch\ncrash = 1\n")
    result = run("a.py", "broken.py", "latin.py", "crash.py", "missing.py", status=2)
    assert "a.py:3:1: DTL301" in result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("detachlint: error: ") for line in lines)
    assert "detachlint: error: missing.py: no such file or folder" in lines
    assert "detachlint: error: broken.py:2:5: cannot be parsed: '(' was never closed" in lines
    assert any("latin.py: cannot be decoded" in line for line in lines)
    assert any("crash.py: internal error: KeyError" in line for line in lines)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file():
    write("a.py").chmod(0)
    assert "a.py: cannot be read: permission denied" in run(status=2).stderr


def test_exit_zero_forgives_findings_only():
    write("a.py")
    assert "DTL301" in run("--exit-zero", status=0).stdout
    run("--exit-zero", "a.py", "missing.py", status=2)


def test_quiet_leaves_findings():
    write("a.py")
    assert "Found" not in run("-q", status=1).stdout


def test_options_that_mean_nothing():
    write("a.py")
    assert run("--selct", "DTL301", status=2).stderr.rstrip("?)\n").endswith("Did you mean '--select'"), (
        "one guess"
    )
    assert "did you mean `sarif`?" in run("--output-format", "sarf", status=2).stderr
    assert "did you mean `DTL301`?" in run("--select", "DTL3011", status=2).stderr
    assert "exclude each other" in run("--isolated", "--config", "a.py", status=2).stderr
    assert "together with other paths" in run("-", "a.py", status=2).stderr
    assert "means nothing" in run("--exclude", "!", status=2).stderr
    run("--jobs", "0", status=2)
    run("--config", "missing.toml", status=2)


def test_selection():
    write("a.py", BAD + "x = out.numpy()\n")

    def codes(*arguments):
        found = json.loads(run("--output-format", "json", "--exit-zero", *arguments, status=0).stdout)
        return [finding["code"] for finding in found]

    assert codes() == ["DTL301", "DTL101"]
    assert codes("--select", "DTL1") == ["DTL101"]
    assert codes("--select", "DTL1,DTL301") == ["DTL301", "DTL101"]
    assert codes("--select", "DTL1", "--select", "DTL3") == ["DTL301", "DTL101"]
    assert codes("--ignore", "DTL301") == ["DTL101"]
    assert codes("--select", "DTL104", "--extend-select", "DTL301") == ["DTL301"]


def test_config_of_the_project():
    write(
        "pyproject.toml",
        '[tool.detachlint]\nignore = ["DTL3"]\nexclude = ["gen"]\noutput-format = "concise"\n',
    )
    write("src/a.py", BAD + "x = out.numpy()\n")
    write("gen/b.py")
    lines = run("src", "gen", status=1).stdout.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == ["DTL101"]
    assert "DTL301" not in run("src", status=1).stdout
    assert "DTL301" in run("--isolated", "src", status=1).stdout
    assert "DTL301" in run("--select", "DTL301", "src", status=1).stdout
    assert run("gen", "--force-exclude", status=0).output == ""


def test_a_mistake_in_the_config_is_one_line_and_status_2():
    write("a.py")
    write("pyproject.toml", "[tool.detachlint]\nselct = []\n")
    result = run(status=2)
    assert result.stderr == (
        "detachlint: error: pyproject.toml: [tool.detachlint] unknown key `selct`; did you mean `select`?\n"
    )
    assert result.stdout == ""
    write("pyproject.toml", "[tool.detachlint]\nper-file-ignores = { a = ['DTL9'] }\n")
    assert run(status=2).stderr.startswith(
        "detachlint: error: pyproject.toml: [tool.detachlint] `per-file-ignores.a`: unknown rule `DTL9`; "
    )
    write("pyproject.toml", "[tool.detachlint]\nignore = ['DTL3o1']\n")
    assert "pyproject.toml: [tool.detachlint] `ignore`: unknown rule `DTL3o1`" in run(status=2).stderr
    assert run("--select", "DTL9", "--isolated", status=2).stderr.startswith(
        "detachlint: error: unknown rule"
    )
    write("pyproject.toml", "[[tool.detachlint.call]]\nnames = ['a.b']\nsink = 'keep'\n")
    assert "did you mean `keeps`?" in run(status=2).stderr
    assert "DTL301" in run("--isolated", status=1).stdout
    write("other.toml", "preview = true\n")
    assert "DTL301" in run("--config", "other.toml", status=1).stdout


def test_fix_writes_files_and_reports_what_is_left():
    write("a.py", BAD.replace("\n", "\r\n"))
    write("b.py", UNSPENT)
    result = run("--fix", status=1)
    assert Path("a.py").read_bytes().decode() == FIXED.replace("\n", "\r\n")
    assert Path("b.py").read_text() == UNSPENT
    assert result.stdout.startswith("b.py:2:1: DTL301 [-]")
    assert result.stdout.endswith("Found 2 errors (1 fixed, 1 remaining).\n")
    assert "fixed" not in run("--fix", status=1).stdout
    run("--fix", "--unsafe-fixes", status=0)
    assert Path("b.py").read_text() == "import torch\ntotal += loss.detach()\n"


def test_fix_keeps_encoding_mark_mode_and_links():
    path = write("a.py", b"\xef\xbb\xbf# \xc3\xa9\n" + BAD.encode())
    path.chmod(0o750)
    Path("link.py").symlink_to("a.py")
    write("latin.py", b"# coding: latin-1\n# \xe9\n" + BAD.encode())
    run("--fix", "link.py", "latin.py", status=0)
    assert path.read_bytes() == b"\xef\xbb\xbf# \xc3\xa9\n" + FIXED.encode()
    assert path.stat().st_mode & 0o777 == 0o750
    assert Path("link.py").is_symlink()
    assert Path("latin.py").read_bytes() == b"# coding: latin-1\n# \xe9\n" + FIXED.encode()


def test_a_file_that_cannot_be_written_keeps_its_finding():
    write("a.py")
    os.link("a.py", "b.py")
    result = run("--fix", "a.py", status=2)
    assert "a.py: not written: " in result.stderr
    assert "a.py:3:1: DTL301" in result.stdout
    assert Path("a.py").read_text() == BAD


def test_fix_in_the_config_and_no_fix():
    write("pyproject.toml", "[tool.detachlint]\nfix = true\n")
    write("a.py")
    run("--no-fix", status=1)
    assert Path("a.py").read_text() == BAD
    run(status=0)
    assert Path("a.py").read_text() == FIXED


def test_diff_changes_nothing():
    write("a.py")
    write("b.py", UNSPENT)
    result = run("--diff", status=1)
    assert "--- a.py\n+++ a.py\n" in result.stdout
    assert "+total += loss.detach()\n" in result.stdout
    assert "b.py" not in result.stdout
    assert "Would fix 1 of 2 errors." in result.stderr
    assert Path("a.py").read_text() == BAD
    assert "b.py" in run("--diff", "--unsafe-fixes", status=1).stdout
    assert run("--diff", "--isolated", "--select", "DTL101", status=0).output == ""


def test_standard_input():
    result = run("-", input=BAD, status=1)
    assert result.stdout.startswith("<stdin>:3:1: DTL301")
    assert "total += loss\n" in result.stdout
    assert run("-", "--stdin-filename", "src/x.py", input=BAD, status=1).stdout.startswith("src/x.py:3:1:")
    assert run("-", input="print(1)\n", status=0).output == "Nothing to detach.\n"
    assert "<stdin>:2:5: cannot be parsed" in run("-", input="import torch\nx = (\n", status=2).stderr


def test_standard_input_is_fixed_to_standard_output():
    result = run("-", "--fix", input=BAD.replace("\n", "\r\n").encode(), status=0)
    assert result.stdout_bytes == FIXED.replace("\n", "\r\n").encode()
    assert "1 fixed" in result.stderr
    result = run("-", "--fix", input=UNSPENT, status=1)
    assert result.stdout == UNSPENT
    assert "DTL301" in result.stderr
    for text in ("print(1)\n", "import torch\nx = (\n"):
        assert CliRunner().invoke(main, ["-", "--fix"], input=text).stdout == text
    assert "+total += loss.detach()" in run("-", "--diff", input=BAD, status=1).stdout


def test_standard_input_obeys_the_config_of_its_name():
    write(
        "pyproject.toml",
        '[tool.detachlint]\nexclude = ["gen"]\nper-file-ignores = { "tests/*" = ["DTL3"] }\n',
    )
    run("-", "--stdin-filename", "tests/x.py", input=BAD, status=0)
    run("-", "--stdin-filename", "gen/x.py", input=BAD, status=1)
    run("-", "--stdin-filename", "gen/x.py", "--force-exclude", input=BAD, status=0)


def test_json_and_nothing_else():
    assert json.loads(run("--output-format", "json", status=0).stdout) == []
    write("a.py")
    found = json.loads(run("--output-format", "json", status=1).stdout)
    assert found[0]["filename"] == str(Path("a.py").resolve())
    assert found[0]["fix"]["applicability"] == "safe"


def test_github():
    write("a.py")
    assert run("--output-format", "github", status=1).stdout.startswith(
        "::error title=detachlint (DTL301),file=a.py,line=3,"
    )


def test_output_file():
    write("a.py")
    result = run("-o", "report.txt", status=1)
    assert result.output == "Found 1 error (1 fixable with --fix).\n"
    assert Path("report.txt").read_text().startswith("a.py:3:1: DTL301")
    assert "cannot be written" in run("-o", "missing/report.txt", status=2).stderr


def test_statistics():
    write("a.py", BAD + "total += loss\nx = out.numpy()\n")
    lines = run("--statistics", status=1).stdout.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["2", "DTL301"], ["1", "DTL101"]]
    counted = json.loads(run("--statistics", "--output-format", "json", status=1).stdout)
    assert [(item["code"], item["count"]) for item in counted] == [("DTL101", 1), ("DTL301", 2)]


def test_show_files():
    write("b/c.py")
    write("a.py", "")
    write(".venv/x.py")
    assert run("--show-files", status=0).stdout == "a.py\nb/c.py\n"
    assert run("--show-files", "--exclude", "b", status=0).stdout == "a.py\n"
    assert "no such file" in run("--show-files", "nowhere", status=2).stderr


def test_a_page_for_a_terminal_says_the_same(monkeypatch):
    page = run("--explain", "DTL301", status=0).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = CliRunner().invoke(main, ["--explain", "DTL301"], color=True)
    assert "\x1b[1m\x1b[4mtracked-tensor-accumulated (DTL301)\x1b[0m" in result.stdout
    assert "```" not in result.stdout
    shown = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
    kept = re.sub(r"^```.*\n", "", page, flags=re.MULTILINE)
    assert re.sub(r"[\s#`]", "", shown) == re.sub(r"[\s#`]", "", kept)


def test_rules_and_explain():
    assert "DTL301  tracked-tensor-accumulated" in run("--rules", status=0).stdout
    listed = json.loads(run("--rules", "--output-format", "json", status=0).stdout)
    assert {"code", "name", "summary", "set", "harm", "fix", "url"} <= set(listed[0])
    page = run("--explain", "dtl301", status=0).stdout
    assert "DTL301" in page
    assert run("--explain", "tracked-tensor-accumulated", status=0).stdout == page
    assert page.startswith("# tracked-tensor-accumulated (DTL301)\n")
    assert "did you mean `DTL301`?" in run("--explain", "DTL3011", status=2).stderr
    assert "stands for several rules: DTL301, DTL302" in run("--explain", "DTL3", status=2).stderr


def test_colours_only_where_they_are_wanted(monkeypatch):
    write("a.py")
    assert "\x1b[" not in run(status=1).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in CliRunner().invoke(main, [], color=True).stdout
    assert "\x1b[" not in run("-o", "report.txt", status=1).stdout + Path("report.txt").read_text()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in CliRunner().invoke(main, [], color=True).stdout


def test_add_ignores():
    write("a.py", BAD + "x = f(out.numpy(), other.numpy(\n))\ns = f('''\n''', out.numpy())\n")
    write("b.py", "import torch\ntotal += loss; out.numpy()  # detachlint: ignore[DTL101]\n")
    before = run(status=1)
    result = run("--add-ignores", status=0)
    assert "Silenced " in result.stderr
    text = Path("a.py").read_text()
    assert "total += loss  # detachlint: ignore[DTL301]\n" in text
    assert (
        Path("b.py").read_text()
        == "import torch\ntotal += loss; out.numpy()  # detachlint: ignore[DTL101, DTL301]\n"
    )
    run("--ignore", "DTL001", status=0)
    assert before.stdout.count("DTL") > 3
    run("--add-ignores", "--fix", status=2)


def test_add_ignores_says_what_it_cannot_silence():
    write("a.py", "import torch\ntotal += \\\n  loss + '''\n'''\ntotal += '''\n''' + loss\n")
    run("--add-ignores", status=0)
    run("--ignore", "DTL001", status=0)


def test_suppressed_findings_are_gone():
    write("a.py", BAD.replace("+= loss", "+= loss  # noqa: DTL301"))
    assert run(status=0).stdout == "Nothing to detach.\n"


def test_the_file_names_are_those_that_were_given(project):
    write("src/a.py")
    assert run("./src", status=1).stdout.startswith("src/a.py:3:1")
    assert run(str(project / "src"), status=1).stdout.startswith(f"{project}/src/a.py:3:1")
    os.chdir("src")
    assert run("../src", status=1).stdout.startswith("../src/a.py:3:1")


def test_help_and_version():
    assert "--unsafe-fixes" in run("--help", status=0).stdout
    assert run("-h", status=0).stdout == run("--help", status=0).stdout
    assert run("--version", status=0).stdout.startswith("detachlint, version ")


def test_jobs_and_no_cache_are_taken():
    for number in range(12):
        write(f"{number:02}.py", BAD + "# padding\n" * 5000)
    one = run("--jobs", "1", "--no-cache", status=1)
    assert one.stdout == run("--jobs", "2", status=1).stdout
    assert one.stdout.count("DTL301 [*]") == 12
