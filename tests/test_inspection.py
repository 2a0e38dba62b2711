"""What editors and other linters ask of one text."""

from pathlib import Path

import pytest

from detachlint import bounds, inspection
from detachlint.inspection import GivenUp, inspect
from detachlint.sources import Source, SourceError

RAISES = "import torch\n\nx = torch.ones(2, requires_grad=True)\ny = x.numpy()\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(
        "[tool.detachlint]\nextend-exclude = ['out.py']\nbaseline = 'known.json'\n"
    )
    Path("known.json").write_text('{"version": 1, "findings": []}')


def test_findings_and_what_can_be_done_about_them() -> None:
    inspected = inspect(Source("a.py", RAISES))
    (finding,) = inspected.findings
    mended = RAISES.replace("x.numpy", "x.detach().numpy")
    assert inspected.mended(finding) == inspected.all_mended() == mended
    assert inspected.ignored(finding) == RAISES.replace("()\n", "()  # detachlint: ignore[DTL101]\n")
    assert inspected.documents(mended) == {None: mended}


def test_one_of_several_findings_is_mended_or_ignored_alone() -> None:
    text = RAISES + "z = x.numpy()\n"
    inspected = inspect(Source("a.py", text))
    _, second = inspected.findings
    assert inspected.mended(second) == text.replace("z = x", "z = x.detach()")
    assert inspected.ignored(second) == text[:-1] + "  # detachlint: ignore[DTL101]\n"


def test_what_the_config_leaves_out() -> None:
    assert inspect(Source("out.py", RAISES)) is None
    assert inspect(Source("a.py", "print(1)\n")).findings == ()
    with pytest.raises(SourceError):
        inspect(Source("a.py", "import torch\nx = (\n"))


def test_a_baseline_is_asked() -> None:
    from detachlint.baseline import Baseline

    known = Baseline(Path.cwd()).of(inspect(Source("a.py", RAISES)).findings)
    Path("known.json").write_text(known.text())
    assert inspect(Source("a.py", RAISES)).findings == ()


def test_a_text_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(linter: inspection.Linter, source: Source) -> None:
        raise bounds.OutOfTime

    inspected = inspect(Source("a.py", RAISES))
    monkeypatch.setattr(inspection.Linter, "reported", slow)
    with pytest.raises(GivenUp, match=r"a\.py: took more than"):
        inspect(Source("a.py", RAISES))
    assert inspected.ignored(inspected.findings[0]) is None
    monkeypatch.setattr(inspection.Linter, "reported", lambda linter, source: {}[0])
    with pytest.raises(GivenUp, match="internal error: KeyError"):
        inspect(Source("a.py", RAISES))
