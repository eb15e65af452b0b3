"""No tracked text names a place that exists on one machine only, or a registry's address."""

import re

import pytest

from tests.meta.checkout import texts

# Written with brackets, so that this file does not contain what it looks for.
MACHINE_PATH = re.compile(
    r"(?<![A-Za-z0-9_.\-])/(?:wor[k]|far[m]|hom[e]|User[s]|roo[t]/[.])(?:/|\b)"
)
REGISTRY = re.compile(
    r"(?:py[p]i|pythonhost[e]d|npm[j]s|debi[a]n|crat[e]s)[.](?:org|net|com|io)\b", re.IGNORECASE
)


def complaints(path: str, text: str) -> list[str]:
    """Return each line that names a machine's path or a registry, as `path:line: what`."""
    return [
        f"{path}:{number}: {match.group()}"
        for number, line in enumerate(text.splitlines(), start=1)
        for pattern in (MACHINE_PATH, REGISTRY)
        if (match := pattern.search(line))
    ]


def test_no_text_names_a_machine_path_or_a_registry() -> None:
    found = [line for path, text in texts() for line in complaints(path, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "see /wor" + "k/main/README.md",
        "DATA = '/hom" + "e/alice/data'",
        "`/roo" + "t/.cache`",
        "cd /wor" + "k",
        "--index-url https://py" + "pi.org/simple",
        "http://deb.debi" + "an.org/debian",
    ],
)
def test_such_a_line_is_seen(line: str) -> None:
    assert complaints("trial", line)


@pytest.mark.parametrize(
    "line", ["sim/wor" + "k/x", "the /wor" + "king set", "/etc/tcu", "/tmp/x", "../shared/data"]
)
def test_an_innocent_line_is_left_alone(line: str) -> None:
    assert complaints("trial", line) == []
