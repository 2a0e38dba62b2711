"""The reports that are looked at in a browser: one page of HTML, one picture."""

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from detachlint import reports
from detachlint.findings import Edit, Finding, Fix, Location, Step
from detachlint.positions import split_lines
from detachlint.reports.context import Context
from detachlint.reports.highlight import looks, parts

SOURCES = {
    "train.py": 'for x in data:\n    loss = f(x, "<b>")  # why\n    loss.backward()\n    a = 1\n    b = 2\n\n    total += loss\n',
    "nets.py": "class Net(nn.Module):\n    pass\n",
}
FINDING = Finding(
    code="DTL301",
    name="tracked-tensor-accumulated",
    message="`total +=` adds <i>a tensor</i> & more",
    filename="train.py",
    location=Location(7, 5),
    end_location=Location(7, 18),
    trace=(
        Step("nets.py", Location(1, 1), Location(1, 9), "`Net` has parameters"),
        Step("train.py", Location(3, 5), Location(3, 20), "`loss.backward()` has consumed the graph"),
        Step("train.py", Location(7, 5), Location(7, 18), "the total outlives the iteration"),
    ),
    fix=Fix("safe", "Detach what is added", (Edit(Location(7, 18), Location(7, 18), ".detach()"),)),
    url="https://example.org/DTL301",
    scope="fit",
)
OTHER = replace(
    FINDING, code="DTL101", name="numpy-of-tracked-tensor", fix=None, unfixable="a tuple has no `detach`"
)
VOID = {"meta", "input", "br"}


def lines_of(filename: str, cell: int | None = None) -> list[str]:
    return split_lines(SOURCES.get(filename, ""))


def render(name: str, *findings: Finding, **context: object) -> str:
    return reports.render(name, findings, lines_of, context=Context(lines_of=lines_of, **context))


class Page(HTMLParser):
    """Checks that elements nest, and takes the text of those of some classes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            name = dict(attrs).get("class") or tag
            self.open.append((tag, name))
            self.texts.setdefault(name, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, name in self.open:
            self.texts[name][-1] += data


def test_the_page_shows_code_steps_and_fix():
    page = Page(render("html", FINDING, OTHER, errors=["b.py: broken"]))
    assert page.texts["h2"] == ["train.py 2 findings"]
    assert page.texts["h3"][0] == "DTL301 total += adds <i>a tensor</i> & more"
    assert page.texts["place"][0] == "line 7 in fit"
    assert page.texts["elsewhere"] == ["nets.py", "train.py"] * 2
    rows = [text for text in page.texts["row told"] if "loss" in text]
    assert rows[0] == "3    loss.backward()loss.backward() has consumed the graph"
    assert page.texts["mark"][0] == "total += loss"
    assert page.texts["row meant"][0].endswith("the total outlives the iteration")
    numbers = [value for name, value in page.attributes if name == "value" and value.isdigit()]
    assert numbers == ["1", "2", "3"] * 2
    assert page.texts["mended"] == ["total += loss.detach()"]
    assert "Detach what is added --fix" in page.texts["help"][0]
    assert page.texts["help"][1] == "a tuple has no detach (no automatic fix)"
    assert page.texts["failed"] == ["b.py: broken"]
    assert [text.split()[0] for text in page.texts["label"]] == ["DTL101", "DTL301"]


def test_gaps_and_neighbours():
    page = Page(render("html", FINDING))
    assert page.texts["number"] == ["1", "2", "2", "3", "4", "7"]  # two of nets.py; row 6 says nothing
    assert len(page.texts["gap"]) == 1
    near = replace(FINDING, trace=(replace(FINDING.trace[1], location=Location(4, 5)),))
    page = Page(render("html", near))
    assert page.texts["number"] == ["3", "4", "5", "6", "7"]
    assert "gap" not in page.texts


def test_a_cell_of_a_notebook():
    step = replace(FINDING.trace[1], cell=2)
    page = Page(render("html", replace(FINDING, cell=3, trace=(step,), fix=None)))
    assert page.texts["place"] == ["cell 3, line 7 in fit"]
    assert page.texts["elsewhere"] == ["train.py, cell 2", "train.py, cell 3"]


def test_nothing_found():
    page = Page(render("html"))
    assert "Nothing to detach." in page.texts["p"]
    assert "nav" not in page.texts


def test_the_page_needs_nothing_else_and_runs_nothing_else():
    hostile = replace(
        FINDING,
        filename='"><script>alert(1)</script>.py',
        message="</style><script>alert(2)</script> `a",
        trace=(Step("<img src=x>", Location(1, 1), Location(1, 1), "<svg onload=x> \u202e\x1b"),),
        scope="<u>",
        url='https://example.org/"onclick="x',
    )
    text = render("html", hostile, replace(OTHER, unfixable="<script>"))
    page = Page(text)
    assert len(page.texts["script"]) == 1
    assert not {name for name, _ in page.attributes} & {"src", "onclick", "onload", "style"}
    assert {value for name, value in page.attributes if name == "href" and "example" not in value} == {
        "https://github.com/detachlint/detachlint"
    }
    digest = base64.b64encode(hashlib.sha256(page.texts["script"][0].encode()).digest()).decode()
    (policy,) = (value for name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not set(text) & set("\u202e\x1b")
    assert "url(" not in text and "@import" not in text


def test_a_file_that_is_gone_or_no_python():
    SOURCES["odd.py"] = "%magic 'unclosed\n((\n"
    try:
        for name in ("gone.py", "odd.py"):
            page = Page(render("html", replace(FINDING, filename=name, trace=())))
            assert page.texts["number"][-1] == "7"
    finally:
        del SOURCES["odd.py"]


@pytest.mark.parametrize(
    "source", [*SOURCES.values(), 'x = """a\n  b"""; f"{a!r:>{w}} b"\n', "if x:\n  '\n", "\f\x00"]
)
def test_looks_lose_no_character(source):
    lines = split_lines(source)
    painted = looks(lines)
    for row, line in enumerate(lines, 1):
        for marked in (range(0), range(2, 5), range(999)):
            cut = list(parts(line, painted[row], marked))
            assert "".join(text for text, _, _ in cut) == line
            assert "".join(text for text, _, meant in cut if meant) == line[marked.start : marked.stop]


def test_looks_are_those_of_python():
    line = 'for x in f(1, "a"):  # b\n'
    found = {text: look for text, look, _ in parts(line, looks([line])[1], range(0)) if look}
    assert found == {"for": "keyword", "in": "keyword", "1": "figure", '"a"': "string", "# b": "comment"}


def test_the_picture_shows_what_the_terminal_shows():
    picture = ET.fromstring(render("svg", FINDING))
    spans = [item for item in picture.iter() if item.tag.endswith("tspan")]
    said = "".join("".join(span.text.split()) for span in spans)
    shown = reports.render("full", [FINDING], lines_of, width=100) + "Found 1 error (1 fixable with --fix)."
    assert said == "".join(shown.split())
    for span in spans:  # a cell each, in a row that nothing overlaps
        assert float(span.get("textLength")) == pytest.approx(len(span.text) * 8.4, abs=0.06)
    for line in (item for item in picture.iter() if item.tag.endswith("text")):
        ends = 0.0
        for span in line:
            assert float(span.get("x")) >= ends - 0.11
            ends = float(span.get("x")) + float(span.get("textLength"))
        assert ends <= float(picture.get("width"))
    assert {span.get("class") for span in spans} >= {
        "red bold",
        "cyan",
        "dim",
        "green",
        "bold",
    } or "bold red" in {span.get("class") for span in spans}


def test_the_picture_holds_hostile_text():
    hostile = replace(FINDING, message="</text><script>&\x00", filename="\x1b[31m<b>.py", trace=())
    picture = ET.fromstring(render("svg", hostile))
    assert not [item for item in picture.iter() if item.tag.endswith("script")]
    assert ET.fromstring(render("svg")) is not None


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")


def browser(tmp_path: Path, page: Path, *options: str) -> str:
    quiet = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
    )
    command = [str(CHROMIUM), *quiet, f"--user-data-dir={tmp_path / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@needs_a_browser
def test_the_filter_works_in_a_browser(tmp_path: Path) -> None:
    """The script runs under the page's own policy, and hides what is not chosen."""
    text = render("html", FINDING, replace(OTHER, filename="other.py"))
    unchecked = text.replace('checked value="DTL101"', 'value="DTL101"')
    for name, page in (("all", text), ("one", unchecked)):
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")

    def hidden(name: str) -> list[str]:
        shown = browser(tmp_path, tmp_path / f"{name}.html", "--dump-dom")
        return re.findall(r"<(section|article) [^>]*hidden", shown)

    assert hidden("all") == []
    assert hidden("one") == ["section", "article"]


def screenshot(tmp_path: Path, page: Path, width: int, dark: bool):
    """What a browser shows in a window of this width: rows of red, green and blue from 0 to 1."""
    image = pytest.importorskip("matplotlib.image")
    file = tmp_path / f"{page.stem}-{width}-{'dark' if dark else 'light'}.png"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    browser(tmp_path, page, scheme, f"--window-size={width},1100", f"--screenshot={file}")
    return image.imread(file)[:, :, :3]


@needs_a_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_seen_whole_in_narrow_and_wide_windows(tmp_path: Path, dark: bool) -> None:
    """Steps stand beside the code where there is room and below it where there is none; nothing sticks out."""
    long = replace(FINDING, filename="a_folder/with_a_long_name/" * 3 + "train.py")
    page = tmp_path / "page.html"
    page.write_text(render("html", FINDING, OTHER, long), encoding="utf-8")
    for width, beside in ((640, False), (1180, True)):
        seen = screenshot(tmp_path, page, width, dark)
        background = seen[2, 2]
        assert seen.shape == (1100, width, 3)
        assert (background.max() < 0.2) if dark else (background.min() > 0.9)
        assert (seen[:, -8:] == background).all(), "something sticks out on the right"
        red, green, blue = seen[:, :, 0], seen[:, :, 1], seen[:, :, 2]
        strongly_blue = (blue - red > 0.3) & (blue > 0.5) & (green > 0.2)
        steps = strongly_blue[seen.shape[0] // 4 :]  # below the boxes of the filter
        columns = (steps.sum(axis=0) > 60).nonzero()[0]  # the line beside the steps, not a figure in the code
        assert len(columns), "no step is seen"
        assert (columns.min() > width / 3) == beside
