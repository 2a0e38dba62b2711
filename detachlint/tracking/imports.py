"""What an import binds: a library's name, or something of another file of the project.

Other files are interpreted only when a name imported from them is used, and then only their top level, which
for most modules is a list of definitions. What they define is interpreted where it is called. A name that
the models know stays a library's name even when the library itself is the project.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path

from detachlint.tracking import interpreter
from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.definitions import SourceModule
from detachlint.tracking.environment import State
from detachlint.tracking.values import Imported, Library, Namespace, Unknown, Value

_MOST_WORK = 2_000


def module_value(frame: Frame, dotted: str) -> Value:
    """What `import dotted` binds."""
    project = frame.analysis.project
    if project is None or _is_modelled(frame.analysis, dotted):
        return Library(dotted)
    path = project.locate(dotted, Path(frame.module.file))
    return Library(dotted) if path is None else Imported(str(path), None)


def imported(frame: Frame, node: ast.ImportFrom, name: str) -> Value:
    """What `from module import name` binds."""
    project = frame.analysis.project
    near = Path(frame.module.file)
    if node.level == 0:
        dotted = f"{node.module}.{name}"
        if project is None or _is_modelled(frame.analysis, dotted):
            return Library(dotted)
        path = project.locate(node.module or "", near)
        inner = project.locate(dotted, near)
        if inner is not None and (path is None or path.name == "__init__.py"):
            return _either(frame, path, inner, name)
        return Library(dotted) if path is None else Imported(str(path), name)
    unknown = frame.analysis.unknown(frame.analysis.keys("import", node.level, node.module, name))
    if project is None:
        return unknown
    path = project.relative(node.level, node.module, near)
    inner = project.relative(node.level, f"{node.module}.{name}" if node.module else name, near)
    if path is not None and _is_modelled(frame.analysis, f"{project.name_of(path)}.{name}"):
        return Library(f"{project.name_of(path)}.{name}")
    if inner is not None and (path is None or path.name == "__init__.py"):
        return _either(frame, path, inner, name)
    return unknown if path is None else Imported(str(path), name)


def _either(frame: Frame, path: Path | None, inner: Path, name: str) -> Value:
    """`from package import name`: a name that its `__init__` binds, or else the submodule."""
    if path is None or str(path) == frame.module.file:
        return Imported(str(inner), None)
    return Imported(str(path), name, str(inner))


def _is_modelled(analysis: Analysis, dotted: str) -> bool:
    name = analysis.models.canonical(dotted)
    if name in analysis.models.classes or name in analysis.models.calls:
        return True
    return dotted.partition(".")[0] in ("torch", "numpy")


def resolve(frame: Frame, value: Imported) -> Value:
    """The value behind an import of the project, interpreting its file if that was not done yet."""
    module = load(frame.analysis, value.path)
    if module is None:
        return frame.analysis.unknown(frame.analysis.keys("import", value.path, value.name))
    if value.name is None:
        return Namespace(module.scope)
    found = frame.get((module.scope, value.name))
    if isinstance(found, Unknown):
        # Its definition has no number here; of what another file's top level computes nothing is learnt.
        return frame.analysis.unknown(frame.analysis.keys("import", value.path, value.name))
    if found is None and value.submodule is not None:
        return resolve(frame, Imported(value.submodule, None))
    if found is None:
        return frame.analysis.unknown(frame.analysis.keys("import", value.path, value.name))
    return resolve(frame, found) if isinstance(found, Imported) and found != value else found


def load(analysis: Analysis, path: str) -> SourceModule | None:
    """Another file of the project, its top level interpreted: once for all files that import from it."""
    if analysis.project is not None:
        analysis.project.reread(path)
    if path in analysis.modules:
        return analysis.modules[path]
    surroundings, project = analysis.surroundings or analysis, analysis.project
    if path in surroundings.modules or project is None:
        return surroundings.modules.get(path)
    tree = project.read(Path(path))
    if tree is None:
        return None
    module = SourceModule(shown(path), path, tree, surroundings.keys("scope", path))
    surroundings.modules[path] = module
    surroundings.lines += (tree.body[-1].end_lineno or 0) if tree.body else 0
    surroundings.work = 0
    frame = Frame(surroundings, module, (module.scope,), State(), budget=_MOST_WORK)
    try:
        with project.noting_for(path):
            run_top_level(frame, [part for part in tree.body if not _is_main(part)])
    except RecursionError:  # nested too deeply, by itself or by what it imports: its own lint says so
        del surroundings.modules[path]
        return None
    if frame.state is not None:
        surroundings.base.update(frame.state.cells)
    return module


_BINDING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def run_top_level(frame: Frame, body: list[ast.stmt]) -> None:
    """Interpret a file's top level. What it defines is the same from everywhere: it leaves the state."""
    for statement in body:
        interpreter.run(frame, [statement])
        if isinstance(statement, _BINDING) and frame.state is not None:
            frame.analysis.base.update(frame.state.cells)
            frame.state.cells.clear()


def shown(path: str) -> str:
    """The path under which another file of the project is reported.

    It is one that can be opened from the current folder, as the paths that the command was given are:
    relative to that folder if the file is below it, else absolute.
    """
    folder = Path(os.path.realpath("."))
    return Path(path).relative_to(folder).as_posix() if folder in Path(path).parents else path


def _is_main(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":` does not run on import."""
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test)


def import_star(frame: Frame, node: ast.ImportFrom) -> None:
    """`from module import *`: every public name of a module of the project."""
    project = frame.analysis.project
    if project is None:
        return
    near = Path(frame.module.file)
    path = (
        project.relative(node.level, node.module, near)
        if node.level
        else project.locate(node.module or "", near)
    )
    if path is None or str(path) == frame.module.file:
        return
    module = load(frame.analysis, str(path))
    if module is None:
        return
    for name in _names(frame.analysis, module):
        value = frame.get((module.scope, name))
        if value is not None and not name.startswith("_"):
            frame.put((frame.scope, name), value)


def _names(analysis: Analysis, module: SourceModule) -> list[str]:
    """The names that a file's top level has bound."""
    both = [analysis] if analysis.surroundings is None else [analysis, analysis.surroundings]
    return [name for each in both for base, name in list(each.base) if base == module.scope]
