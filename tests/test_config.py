"""[tool.detachlint]: found, read, and refused with a useful word."""

from pathlib import Path

import pytest

from detachlint import config
from detachlint.config import ConfigError, Selection
from detachlint.sources import DEFAULT_EXCLUDES


def write(root: Path, text: str, name: str = "pyproject.toml") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    return root / name


def test_without_a_config_the_root_is_the_nearest_marked_folder(tmp_path):
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "src" / "pkg").mkdir(parents=True)
    settings = config.load([str(tmp_path / "repo" / "src" / "pkg")])
    assert settings.root == (tmp_path / "repo").resolve()
    assert settings.file is None
    assert settings.exclude == DEFAULT_EXCLUDES


def test_every_key_is_read(tmp_path):
    file = write(
        tmp_path,
        """
        [tool.detachlint]
        select = ["DTL1", "DTL301"]
        ignore = ["DTL104"]
        extend-select = ["DTL402"]
        preview = true
        exclude = ["gen"]
        extend-exclude = ["old/*.py"]
        respect-gitignore = false
        fix = true
        unsafe-fixes = true
        output-format = "concise"
        per-file-ignores = { "tests/*" = ["DTL3"], "*.ipy.py" = [] }

        [[tool.detachlint.call]]
        names = ["mylib.Meter.update"]
        sink = "keeps"

        [[tool.detachlint.class]]
        names = ["mylib.Meter"]
        kind = "metric"
        """,
    )
    settings = config.load([str(tmp_path)])
    assert settings.file == file.resolve()
    assert settings.selection == Selection(("DTL1", "DTL301"), ("DTL402",), ("DTL104",))
    assert settings.exclude == ("gen", "old/*.py")
    assert settings.preview and settings.fix and settings.unsafe_fixes and not settings.respect_gitignore
    assert settings.output_format == "concise"
    assert settings.per_file_ignores == (("tests/*", ("DTL3",)), ("*.ipy.py", ()))
    assert "mylib.Meter.update" in settings.models
    assert hash(settings) == hash(config.load([str(tmp_path)]))


def test_the_nearest_table_wins_and_files_without_one_are_passed_by(tmp_path):
    write(tmp_path, "[tool.detachlint]\npreview = true\n")
    write(tmp_path / "a", "[tool.ruff]\n")
    write(tmp_path / "a" / "b", "[tool.detachlint]\nfix = true\n")
    (tmp_path / "a" / "b" / "c").mkdir()
    assert config.load([str(tmp_path / "a")]).preview
    assert config.load([str(tmp_path / "a")]).root == tmp_path.resolve()
    nearest = config.load([str(tmp_path / "a" / "b" / "c" / "x.py")])
    assert nearest.fix and not nearest.preview
    assert nearest.root == (tmp_path / "a" / "b").resolve()
    assert config.load([str(tmp_path / "a" / "b" / "x.py"), str(tmp_path / "a" / "y.py")]).preview


def test_a_config_of_its_own(tmp_path):
    write(tmp_path, "[tool.detachlint]\npreview = true\n")
    own = write(tmp_path / "etc", "fix = true\n", "detachlint.toml")
    settings = config.load([str(tmp_path)], own)
    assert settings.fix and not settings.preview
    assert settings.root == tmp_path.resolve()
    assert config.load([str(tmp_path)], write(tmp_path / "etc", "[tool.detachlint]\nfix = true\n")).fix
    with pytest.raises(ConfigError, match=r"has no table \[tool.detachlint\]"):
        config.load([str(tmp_path)], write(tmp_path / "etc", "[tool.ruff]\n"))


def test_isolated_reads_nothing(tmp_path):
    write(tmp_path, "[tool.detachlint]\nnonsense = true\n")
    settings = config.load([str(tmp_path)], isolated=True)
    assert settings.root == tmp_path.resolve()
    assert settings.file is None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("selct = []", ["unknown key `selct`", "did you mean `select`?"]),
        ("zzz = 1", ["unknown key `zzz`"]),
        ('select = "DTL1"', ["`select` must be a list of strings", '"DTL1"']),
        ("ignore = [1]", ["`ignore` must be a list of strings"]),
        ("fix = 1", ["`fix` must be true or false, not 1"]),
        ("output-format = 'ful'", ["must be one of full, concise, json", "did you mean `full`?"]),
        ("output-format = 7", ["must be one of"]),
        ("per-file-ignores = ['DTL1']", ["`per-file-ignores` must be a table"]),
        ("per-file-ignores = { 'a' = 'DTL1' }", ["`per-file-ignores.a` must be a list of strings"]),
        ("exclude = ['a', '!']", ["`exclude` holds a pattern that means nothing: `!`"]),
        ("call = 1", ["`call` must be tables"]),
        ("[[tool.detachlint.call]]\nnmes = ['x']", ["nmes"]),
        ("[[tool.detachlint.call]]\nnames = ['x']\nsink = 'nmpy'", ["nmpy"]),
        ("[[tool.detachlint.class]]\nnames = ['x']\nkind = 'modul'", ["modul"]),
    ],
)
def test_mistakes_are_named(tmp_path, monkeypatch, table, words):
    write(tmp_path, f"[tool.detachlint]\n{table}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        config.load(["."])
    said = str(error.value)
    assert said.startswith("pyproject.toml: [tool.detachlint] ")
    assert said.count("tool.detachlint]") == 1
    assert "\n" not in said
    for word in words:
        assert word in said


def test_broken_toml_is_an_error_only_where_it_concerns_us(tmp_path):
    write(tmp_path, "[tool.detachlint\n")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        config.load([str(tmp_path)])
    write(tmp_path, "[tool.other\n")
    assert config.load([str(tmp_path)]).file is None


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.detachlint]\nselect = ['\xff']\n")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        config.load([str(tmp_path)])
