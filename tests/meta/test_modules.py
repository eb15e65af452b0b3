"""What holds for every Python module: its size, its docstring, its suppressions, its patience."""

import ast
import re

import pytest

from tests.meta.checkout import Module, modules

LONGEST_MODULE_LINES = 400
"""Source: the house style; files far above it were the ones hardest to review."""

SUPPRESSION = re.compile(r"#\s*(?:type:\s*ignore|noqa)\b(?P<rest>.*)")
CODES = re.compile(r"\[[a-z\-, ]+\]|:\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*")
REASON = re.compile(r"[\s#-]*\w[\w ,]{3,}")


def too_long(module: Module) -> bool:
    """Whether a module has outgrown one subject."""
    return len(module.source.splitlines()) > LONGEST_MODULE_LINES


def lacks_docstring(module: Module) -> bool:
    """Whether a module does not say what the room is for. Packages without code need not."""
    tree = module.tree
    return bool(tree.body) and not ast.get_docstring(tree)


def bare_suppressions(module: Module) -> list[int]:
    """Return the lines that silence a tool without a code, or without a reason.

    The reason stands behind the code or in a comment on the line above.
    """
    lines = ["", *module.source.splitlines()]
    return [
        number
        for number, line in enumerate(lines)
        if (match := SUPPRESSION.search(line))
        and not _is_explained(match["rest"], lines[number - 1])
    ]


def _is_explained(rest: str, line_above: str) -> bool:
    codes = CODES.match(rest)
    if codes is None:
        return False
    return bool(REASON.match(rest, codes.end())) or line_above.lstrip().startswith("# ")


def sleeps(module: Module) -> list[int]:
    """Return the lines that wait for time to pass; `sleep(0)` only lets others run."""
    return [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}
        and [ast.unparse(argument) for argument in node.args] != ["0"]
    ]


def a_module(source: str) -> Module:
    return Module(name="trial", path="trial.py", source=source)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.path)
def test_a_module_keeps_the_rules_of_the_house(module: Module) -> None:
    assert not too_long(module), f"more than {LONGEST_MODULE_LINES} lines"
    assert not lacks_docstring(module)
    assert not bare_suppressions(module), (
        "a suppression lacks its code or its reason, in these lines"
    )


@pytest.mark.parametrize(
    "module", [m for m in modules() if m.path.startswith("tests/")], ids=lambda module: module.path
)
def test_a_test_waits_for_the_event_and_not_for_time(module: Module) -> None:
    assert sleeps(module) == []


def test_the_longest_module_fits_and_one_line_more_does_not() -> None:
    assert not too_long(a_module("x = 1\n" * LONGEST_MODULE_LINES))
    assert too_long(a_module("x = 1\n" * (LONGEST_MODULE_LINES + 1)))


def test_a_missing_docstring_is_seen() -> None:
    assert lacks_docstring(a_module("x = 1"))
    assert not lacks_docstring(a_module('"""Rooms."""\nx = 1'))
    assert not lacks_docstring(a_module(""))


HUSH = "x = 1  #" + " noqa"  # put together, so that no tool takes it for a real one
IGNORE = "x = 1  #" + " type: ignore"


@pytest.mark.parametrize(
    "line",
    [
        HUSH,
        f"{HUSH}: S603",
        f"{HUSH} our own",
        IGNORE,
        f"{IGNORE}[arg-type]",
        f"{IGNORE}  # untyped",
    ],
)
def test_a_suppression_without_code_or_reason_is_seen(line: str) -> None:
    assert bare_suppressions(a_module(line)) == [1]


@pytest.mark.parametrize(
    "line",
    [
        f"{HUSH}: S603 - our own program",
        f"{HUSH}: S603, S607  fixed",
        f"{IGNORE}[misc]  # untyped",
        f"# the library has no types\n{IGNORE}[misc]",
    ],
)
def test_a_suppression_with_code_and_reason_is_left_alone(line: str) -> None:
    assert bare_suppressions(a_module(line)) == []


def test_a_sleep_is_seen_and_a_mere_turn_of_the_loop_is_not() -> None:
    assert sleeps(a_module("import asyncio\nawait asyncio.sleep(0.1)")) == [2]
    assert sleeps(a_module("time.sleep(delay_s)")) == [1]
    assert sleeps(a_module("await asyncio.sleep(0)")) == []
