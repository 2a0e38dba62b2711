"""The pages of the site, made when it is built from what stands elsewhere in the repository.

The README is the front page. Each rule has a page: what `--explain` prints, and below it the rule's cases,
which are programs that the tests run. Links between files become links between pages, or to the repository
where the site has no such page.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#]+)")
_FILE = "https://github.com/detachlint/detachlint/blob/main/"
_PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_config(config: Any) -> Any:
    """The menu: a rule's page for each folder of rules/."""
    rules = [{_title(folder): _page_of(folder)} for folder in _rules()]
    config.nav = [
        {"Start": "index.md"},
        {"Rules": [{"All rules": "rules/index.md"}, *rules]},
        {"Changes": "changelog.md"},
        {"Contributing": "contributing.md"},
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made here."""
    for name, content in _made():
        files.append(File.generated(config, name, content=content))
    return files


def _made() -> Iterator[tuple[str, str]]:
    for name, page in _PAGES.items():
        yield page, _relinked(ROOT / name, page)
    yield "rules/index.md", "# Rules\n\n" + _relinked_text(_table(), ROOT, "rules/index.md")
    for folder in _rules():
        page = _page_of(folder)
        yield page, _relinked(folder / "README.md", page) + _cases(folder)


def _rules() -> list[Path]:
    return [file.parent for file in sorted((ROOT / "rules").glob("*/rule.toml"))]


def _title(folder: Path) -> str:
    code, _, name = folder.name.partition("-")
    return f"{code} {name}"


def _page_of(folder: Path) -> str:
    return f"rules/{folder.name}.md"


def _table() -> str:
    """The README's table of rules, with what it says below."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text[text.index("| code | reports |") : text.index("## Fixes")].replace(
        "<!-- end of rules -->", ""
    )


def _relinked(file: Path, page: str) -> str:
    return _relinked_text(file.read_text(encoding="utf-8"), file.parent, page)


def _relinked_text(text: str, folder: Path, page: str) -> str:
    """The text of a file, with its links as they are from a page of the site."""
    up = "../" * page.count("/")

    def link(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve().relative_to(ROOT).as_posix()
        if target in _PAGES:
            return up + _PAGES[target]
        if target.startswith("rules/") and target.endswith("/README.md"):
            return up + target.removesuffix("/README.md") + ".md"
        return up + target.removeprefix("docs/") if target.startswith("docs/") else _FILE + target

    return _LINK.sub(link, text)


def _cases(folder: Path) -> str:
    """The cases of a rule, those that are reported before those that are not, each to be unfolded."""
    found = [case for file in sorted(folder.glob("cases/*.py")) for case in _functions(file)]
    parts = [
        "\n## Cases\n\nPrograms that the tests run under torch. A code in a comment marks what is reported.\n"
    ]
    for heading, kind, prefix in (("Reported", "failure", "bad_"), ("Not reported", "success", "good_")):
        parts.append(f"\n### {heading}\n")
        parts += [_case(kind, name, code) for name, code in found if name.startswith(prefix)]
    return "".join(parts)


def _functions(file: Path) -> Iterator[tuple[str, str]]:
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            yield node.name, "\n".join(lines[first - 1 : node.end_lineno])


def _case(kind: str, name: str, code: str) -> str:
    words = name.partition("_")[2].replace("_", " ")
    body = textwrap.indent(f"```python\n{code}\n```", "    ")
    return f'\n??? {kind} "{words}"\n\n{body}\n'
