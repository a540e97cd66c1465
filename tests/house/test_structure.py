"""How every Python file is built, whoever wrote it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

MOST_LINES_A_FILE = 400
MOST_LINES_A_FUNCTION = 60
FORBIDDEN_NAMES = {"common", "helper", "helpers", "manager", "util", "utils"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_files_are_short(modules: list[Path], root: Path) -> None:
    """No Python file is longer than 400 lines."""
    lengths = {path.relative_to(root): len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert not {path: length for path, length in lengths.items() if length > MOST_LINES_A_FILE}


def test_functions_are_short(modules: list[Path], root: Path) -> None:
    """No function is longer than 60 lines, its docstring included."""
    found = [
        f"{path.relative_to(root)}:{node.lineno} {node.name}: {length} lines"
        for path in modules
        for node in functions(path)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_A_FUNCTION
    ]
    assert not found


def test_packages_hold_a_docstring_and_their_names(sources: list[Path], root: Path) -> None:
    """An __init__.py says why its package exists and lists what is in it, sorted, and holds nothing else."""
    found = [
        f"{path.relative_to(root)}: {why}" for path in sources if path.name == "__init__.py" and (why := odd(path))
    ]
    assert not found


def test_lists_of_names_are_real(sources: list[Path], root: Path) -> None:
    """Each __all__ names only what its module, or its package's folder, holds; ruff sorts it (RUF022)."""
    found: list[str] = []
    for path in sources:
        tree = parse(path)
        here = {entry.stem for entry in path.parent.iterdir()} if path.name == "__init__.py" else set(defined(tree))
        if missing := set(exported(tree)) - here:
            found.append(f"{path.relative_to(root)}: __all__ names {sorted(missing)}, which is not there")
    assert not found


def test_public_things_say_what_they_are(sources: list[Path], root: Path) -> None:
    """Every module has a docstring, and so has every public class and function of a module."""
    found: list[str] = []
    for path in sources:
        tree = parse(path)
        if not ast.get_docstring(tree):
            found.append(f"{path.relative_to(root)}: no docstring")
        found += [
            f"{path.relative_to(root)}:{node.lineno} {node.name}: no docstring"
            for node in tree.body
            if isinstance(node, Function | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert not found


def test_tests_say_what_they_claim(modules: list[Path], root: Path) -> None:
    """Every test has a docstring: its claim."""
    found = [
        f"{path.relative_to(root)}:{node.lineno} {node.name}"
        for path in modules
        if path.name.startswith("test_")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not found


def test_no_error_is_swallowed(modules: list[Path], root: Path) -> None:
    """No handler of every exception does nothing."""
    found = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in modules
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ExceptHandler)
        and catches_all(node)
        and all(isinstance(each, ast.Pass) for each in node.body)
    ]
    assert not found


def test_names_say_what_is_inside(modules: list[Path], root: Path) -> None:
    """No file or folder is called by a word that could hold anything."""
    found = {
        path.relative_to(root)
        for path in modules
        for part in path.relative_to(root).with_suffix("").parts
        if set(re.split(r"[_-]", part)) & FORBIDDEN_NAMES
    }
    assert not found


def functions(path: Path) -> Iterator[Function]:
    """Returns every function and method in a file."""
    return (node for node in ast.walk(parse(path)) if isinstance(node, Function))


def parse(path: Path) -> ast.Module:
    """Returns a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def odd(path: Path) -> str:
    """Returns what is wrong with a package's __init__.py, empty for nothing."""
    tree = parse(path)
    if not ast.get_docstring(tree):
        return "no docstring"
    rest = [node for node in tree.body[1:] if not is_export_list(node)]
    if rest:
        return f"line {rest[0].lineno} is neither the docstring nor __all__"
    return "" if len(tree.body) == 2 else "no __all__"


def is_export_list(node: ast.stmt) -> bool:
    """Returns whether a statement defines __all__."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def exported(tree: ast.Module) -> list[str]:
    """Returns the names in a module's __all__."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and is_export_list(node) and node.value is not None:
            return list(ast.literal_eval(node.value))
    return []


def defined(tree: ast.Module) -> Iterator[str]:
    """Returns the names that a module's top level binds."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Returns whether an except clause takes every error."""
    kind = handler.type
    return kind is None or (isinstance(kind, ast.Name) and kind.id in {"BaseException", "Exception"})
