"""Every place in the agent where Python itself could reach the world: a socket, a file, a process, the C library.

`choke_point` knows the verbs of our own ports. Whoever wants past them needs one of the names below, or a name that
only the running program knows. Both are looked for in all of tcu_agent, however they are written: called, passed on,
imported under another name. What no list of names can see is a library that nobody knows; so the libraries are listed
as well (tests/meta/world.py).
"""

import ast
import re
from collections.abc import Iterator

from tests.meta.checkout import Module
from tests.meta.choke_point import Place

NAMES = frozenset(
    {
        # streams and sockets
        "open_connection", "open_unix_connection", "create_connection", "create_unix_connection",
        "create_datagram_endpoint", "create_server", "create_unix_server", "start_server",
        "start_unix_server", "connect_accepted_socket", "connect_write_pipe", "sock_sendall",
        "sock_sendto", "sock_sendfile", "add_writer", "socketpair", "fromfd", "send_fds", "sendfile",
        "send_bytes", "sendmsg_afalg", "urlopen",
        # bytes into a descriptor, which may be a device
        "write", "writev", "pwrite", "pwritev", "writelines", "write_bytes", "write_text", "splice",
        "copyfile", "copyfileobj", "ioctl", "mmap",
        # other programs
        "system", "popen", "Popen", "execv", "execve", "execvp", "execvpe", "execl", "execle", "execlp",
        "execlpe", "spawnv", "spawnve", "spawnvp", "spawnl", "spawnlp", "posix_spawn", "posix_spawnp",
        "fork", "forkpty", "create_subprocess_exec", "create_subprocess_shell", "subprocess_exec",
        "subprocess_shell", "run_module", "run_path",
        # the C library, code made while running, and every way to a name that is not written down
        "CDLL", "PyDLL", "cdll", "libc", "pythonapi", "dlopen", "import_module", "__import__", "eval", "exec",
        "compile", "methodcaller", "attrgetter", "vars", "globals", "locals", "__dict__",
        "__getattribute__", "__subclasses__", "__globals__", "__builtins__", "getattr_static",
    }
)  # fmt: skip
"""Of asyncio, socket, os, subprocess, ctypes, operator and the built-ins: what sends, writes, starts or fetches."""
FETCHES = frozenset({"getattr", "setattr", "delattr"})
READS = frozenset({"r", "rb", "rt"})
READING_FLAGS = frozenset({"O_RDONLY", "O_DIRECTORY", "O_CLOEXEC"})
MODE = re.compile("[rwaxbt+]+")


def reaches(module: Module) -> set[Place]:
    """Return every place of a module where the world could be reached past our own ports."""
    return {Place(where, name) for where, name in _walk(module.tree, module.name)}


def libraries(module: Module) -> set[str]:
    """Return the first names of all that a module imports, wherever it does so; the agent's own rooms left out."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else (node.module or "").partition(".")[0])
    return names - {"tcu_agent"}


def public_names(module: Module) -> dict[str, set[str]]:
    """Return what others may call of a module: functions, and classes with their public methods.

    Properties and class methods count as methods; a name bound to a lambda or to another's method, as a function.
    """
    found: dict[str, set[str]] = {}
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = set(_methods(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = set()
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(
            node.value, ast.Lambda | ast.Attribute
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id: set() for each in targets if isinstance(each, ast.Name)}
    return {name: methods for name, methods in found.items() if not name.startswith("_")}


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            if not each.name.startswith("_") or each.name == "__call__":
                yield each.name
        elif isinstance(each, ast.Assign):
            names = (target.id for target in each.targets if isinstance(target, ast.Name))
            yield from (name for name in names if not name.startswith("_"))


def _walk(node: ast.AST, where: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _walk(child, f"{where}.{child.name}")
            continue
        is_called = isinstance(node, ast.Call) and node.func is child
        name = _fetched(child, is_called=is_called) or _named(child)
        if name is not None:
            yield where, name
        yield from _walk(child, where)


def _fetched(node: ast.AST, *, is_called: bool) -> str | None:
    """Return what this node fetches by `getattr` and its like, if that is watched or not written down."""
    match node:
        case ast.Call(func=ast.Name(id=called), args=[_, ast.Constant(value=str(fetched)), *_]) if (
            called in FETCHES
        ):
            return fetched if fetched in NAMES else None
        case ast.Call(func=ast.Name(id=called)) if called in FETCHES:
            return f"{called} of a computed name"
        case ast.Name(id=passed) if passed in FETCHES and not is_called:
            return f"{passed} passed on"
        case _:
            return None


def _named(node: ast.AST) -> str | None:
    """Return the watched name that this node uses, if any."""
    match node:
        case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open" | "fdopen")):
            return "open for writing" if _may_write(node) else None
        case ast.Attribute(value=ast.Name(id="re"), attr="compile"):
            return None
        case ast.Attribute(attr=used, ctx=ast.Load()) | ast.Name(id=used, ctx=ast.Load()):
            return used if used in NAMES else None
        case ast.alias(name=imported, asname=str()):
            return imported if imported.rpartition(".")[2] in NAMES | FETCHES else None
        case _:
            return None


def _may_write(call: ast.Call) -> bool:
    """Whether this `open` is not plainly one that only reads, by its mode or the flags of `os.open`."""
    if ast.unparse(call.func) == "os.open":
        return not READING_FLAGS.issuperset(re.findall(r"O_[A-Z]+", ast.unparse(call))) or (
            "O_RDONLY" not in ast.unparse(call)
        )
    given = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    modes = [each.value for each in given if isinstance(each, ast.Constant)]
    modes = [each for each in modes if isinstance(each, str) and MODE.fullmatch(each)]
    may_be_computed = len(given) > isinstance(call.func, ast.Name)
    return any(each not in READS for each in modes) or (not modes and may_be_computed)
