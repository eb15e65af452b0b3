"""Compares mutants that no test noticed with the reasons for them; `scripts/mutants` runs it in mutmut's environment.

A mutant is known by its function and by the lines that it takes out and puts in: its number changes too easily.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path

from mutmut.__main__ import status_by_exit_code
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant

from tests.mutation.rules import RULES

Mutant = tuple[str, str, str]
"""Function, lines out, lines in."""


def main() -> int:
    """Print the counts, and each survivor without a reason; 1 if there is one, or a reason without its survivor."""
    folder, *files = sys.argv[1:]
    given = tomllib.loads((Path(folder) / "survivors.toml").read_text(encoding="utf-8"))
    reasons = {
        (e["function"], e["out"].strip(), e["in"].strip()): e["reason"] for e in given["survivor"]
    }
    unknown = given["rule"].keys() - RULES.keys()
    if unknown:
        sys.exit(f"survivors.toml: no such rule: {', '.join(unknown)}")
    counts: Counter[str] = Counter()
    by_rule: Counter[str] = Counter()
    survivors: set[Mutant] = set()
    for file in files:
        data = SourceFileMutationData(path=Path(file))
        data.load()
        of_file: Counter[str] = Counter()
        for name, code in data.exit_code_by_key.items():
            status = status_by_exit_code[code]
            of_file[status] += 1
            if status in {"killed", "timeout", "not checked"}:
                continue
            mutant = identity(name, Path(file))
            if rule := next((r for r in given["rule"] if RULES[r](mutant[1], mutant[2])), None):
                by_rule[rule] += 1
            else:
                survivors.add(mutant)
        counts += of_file
        print(f"  {file}: {', '.join(f'{n} {status}' for status, n in sorted(of_file.items()))}")
    unexplained = sorted(survivors - reasons.keys())
    for function, out, put in unexplained:
        print(
            f"[[survivor]]\nfunction = '{function}'\nout = '''\n{out}'''\nin = '''\n{put}'''\nreason = \"\"\n"
        )
    modules = {file.removeprefix("src/").removesuffix(".py").replace("/", ".") for file in files}
    gone = [r for r in sorted(reasons.keys() - survivors) if r[0].rpartition(":")[0] in modules]
    for function, out, _ in gone:
        print(f"a reason for what does not survive: {function}: {out}")
    for rule, count in by_rule.items():
        print(f"  {count} {rule}: {given['rule'][rule]}")
    print(
        f"mutants: {counts.total()}, noticed {counts['killed'] + counts['timeout']}, by rule {by_rule.total()}, "
        f"with a reason of their own {len(survivors) - len(unexplained)}, without one {len(unexplained)}"
    )
    if counts["not checked"]:
        print(f"mutants: {counts['not checked']} were not looked at: the run was ended before")
    return 1 if unexplained or gone or counts["not checked"] else 0


def identity(name: str, file: Path) -> Mutant:
    """Return what a mutant is known by."""
    lines = get_diff_for_mutant(name, path=file).splitlines()
    out = [
        line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")
    ]
    put = [
        line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")
    ]
    module, _, function = name.partition("__mutmut_")[0].rpartition(".")
    function = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{module}:{function}", "\n".join(out), "\n".join(put)


if __name__ == "__main__":
    sys.exit(main())
