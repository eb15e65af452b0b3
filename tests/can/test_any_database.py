"""Whatever shape a database gives to what the agent relies on: refused at the start, or no frame ends the agent."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tcu_agent.adapters.can.commands import CommandEncoder
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.core.effects import Lamp
from tcu_agent.core.events import SignalsChanged
from tcu_agent.errors import MappingError
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.vocabulary import CallState
from tests.can.test_secoc import Disk
from tests.can.vehicle import KEY, REFERENCE

REFERENCE_DBC = REFERENCE.with_name("reference.dbc").read_text(encoding="utf-8")
TEXT = REFERENCE.read_text(encoding="utf-8")
IDS = {"Resync": 0x10, "Status": 0x11, "Command": 0x12, "Nm": 0x13}
PATHS = ("Vehicle.Test.One", "Vehicle.Test.Two", "Vehicle.Test.Three")


def load(text: str, dbc: str, *, name: str = "reference.dbc") -> VehicleMapping:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(dbc, encoding="utf-8")
        file = Path(folder) / "map.toml"
        file.write_text(text, encoding="utf-8")
        return load_mapping(file)


def refusal(text: str, dbc: str = REFERENCE_DBC) -> str:
    with pytest.raises(MappingError) as caught:
        load(text, dbc)
    return str(caught.value)


def changed(pattern: str, new: str, where: str) -> str:
    found = re.sub(pattern, new, where)
    assert found != where
    return found


# ---------------------------------------------------------------- the receiver's word on freshness (SecOC)


@pytest.mark.parametrize(
    ("pattern", "new", "told"),
    [
        (r"(SG_ LastFreshness : 7\|32@0)\+", r"\1-", "'LastFreshness' is signed"),
        (r"SG_ LastFreshness : 7\|32@0", "SG_ LastFreshness : 7|40@0", "has 40 bits"),
    ],
)
def test_a_freshness_word_that_can_be_none_is_refused(pattern: str, new: str, told: str) -> None:
    lax = changed(r'(dbc = "reference.dbc")', r"\1\nstrict = false", TEXT)
    said = refusal(lax, changed(pattern, new, REFERENCE_DBC))
    assert "resync_signal" in said
    assert told in said


def test_a_freshness_word_in_some_frames_only_is_refused() -> None:
    selector = ' SG_ Which M : 32|8@1+ (1,0) [0|0] "" TCU\n SG_ LastFreshness m1 :'
    lax = changed(r'(dbc = "reference.dbc")', r"\1\nstrict = false", TEXT)
    said = refusal(lax, changed(" SG_ LastFreshness :", selector, REFERENCE_DBC))
    assert "resync_signal" in said
    assert "multiplexed" in said


def test_a_freshness_word_that_nobody_can_believe_is_refused() -> None:
    cut = changed(r"\[bus\.body\.secoc\.SecocFreshness\]\n(?:.+\n)+", "", TEXT)
    said = refusal(cut)
    assert "resync_message" in said
    assert "[bus.body.secoc.SecocFreshness]" in said


def test_one_freshness_word_for_two_messages_is_refused() -> None:
    """It is authentic for one value alone, and only one of the two would ever be moved on."""
    more = (
        "[bus.body.secoc.VehicleMotion]\ndata_id = 7\nkey = 'central-locking'\nfreshness_bits = 8\nmac_bits = 24\n"
        "resync_message = 'SecocFreshness'\nresync_signal = 'LastFreshness'\n\n"
    )
    said = refusal(changed(r"(\[bus\.body\.secoc\.SecocFreshness\]\n)", more + r"\1", TEXT))
    assert "resync_message" in said
    assert "'CentralLockCommand'" in said


# ---------------------------------------------------------------- any shape at all


@st.composite
def strange_signals(draw: st.DrawFn, name: str, mark: str) -> tuple[str, int]:
    """Return a line of a DBC, and which float it is (0: none)."""
    kind = draw(st.sampled_from([0, 0, 0, 1, 2]))
    length = {0: draw(st.integers(1, 64)), 1: 32, 2: 64}[kind]
    start, order, sign = (draw(st.sampled_from(of)) for of in (range(64), "01", "+-"))
    scale = draw(st.sampled_from(["1", "0.1", "-1", "1e-7", "1e-320", "1e308", "1e400", "0"]))
    offset = draw(st.sampled_from(["0", "-40", "0.5", "1e308"]))
    line = f' SG_ {name} {mark}: {start}|{length}@{order}{sign} ({scale},{offset}) [0|0] "" A'
    return line, kind


@st.composite
def databases(draw: st.DrawFn) -> str:
    """Some places of it are strange, two at most, since a database with more of them is hardly ever loaded."""
    places = [(one, what) for one in IDS for what in ("X", "Y", "length", "selector")]
    strange = draw(st.lists(st.sampled_from(places), max_size=2))
    lines, floats = ['VERSION ""', "BU_: A B"], []
    for message, number in IDS.items():
        length = draw(st.sampled_from([6, 16, 70])) if (message, "length") in strange else 8
        lines.append(f"BO_ {number} {message}: {length} A")
        marks = ["", "m0 ", "m1 "] if (message, "selector") in strange else [""]
        if len(marks) > 1:
            lines.append(' SG_ Which M : 0|2@1+ (1,0) [0|0] "" A')
        for name, start in {"X": 4, "Y": 16}.items():
            mark = draw(st.sampled_from(marks))
            line, kind = f' SG_ {name} {mark}: {start}|12@1+ (1,0) [0|0] "" A', 0
            if (message, name) in strange:
                line, kind = draw(strange_signals(name, mark))
            lines.append(line)
            floats += [f"SIG_VALTYPE_ {number} {name} : {kind};"] if kind else []
    return "\n".join([*lines, *floats]) + "\n"


@st.composite
def mappings(draw: st.DrawFn) -> str:
    profile = draw(st.sampled_from([0, 1, 2, 5, 6, 11, 4, 7]))
    data_id = list(range(16)) if profile == 2 else 5
    offset = draw(st.sampled_from([0, 0, 0, 3]))
    e2e = f"[bus.x.e2e.Status]\nprofile = {profile}\ndata_id = {data_id}\noffset_bytes = {offset}\n"
    secoc = "".join(
        f"[bus.x.secoc.{name}]\ndata_id = {index}\nkey = 'k'\nfreshness_bits = 8\nmac_bits = 24\n{more}"
        for index, (name, more) in enumerate(
            {"Command": "resync_message = 'Resync'\nresync_signal = 'X'\n", "Resync": ""}.items()
        )
    )
    numbers = "".join(
        f"[[signal]]\npath = '{path}'\nmessage = '{message}'\nsignal = 'Y'\ntimeout_ms = 100\n"
        f"factor = {draw(st.sampled_from(['1.0', '1e300', '-2.5']))}\n"
        for path, message in zip(PATHS, ("Status", "Resync", "Nm"), strict=True)
    )
    return (
        f"schema = 1\n[bus.x]\ndbc = 'x.dbc'\nstrict = false\nasleep_after_ms = 1000\n"
        "[bus.x.wake]\nmessage = 'Nm'\nsignals = { X = 0 }\n"
        f"{e2e if profile else ''}{secoc if draw(st.booleans()) else ''}{numbers}"
        "[command.unlock]\nmessage = 'Command'\nsignals = { X = '{counter}', Y = 1 }\n"
        "[response]\npath = 'Vehicle.Body.CentralLocking.Response'\nmessage = 'Status'\nsignal = 'X'\n"
        "echo = 'Y'\nbefore = 'idle'\nvalues = { 0 = 'done', 1 = 'refused' }\ntimeout_ms = 0\n"
    )


frames = st.builds(
    CanFrame,
    st.sampled_from([*IDS.values(), 0x20]),
    st.one_of(
        st.binary(min_size=8, max_size=8),
        st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7)]),
        st.binary(max_size=64),
        st.sampled_from([b"\xff" * 6, b"\xff" * 16, b"\xff" * 64]),
    ),
    is_fd=st.booleans(),
    is_error_frame=st.sampled_from([False] * 9 + [True]),
    is_remote_frame=st.sampled_from([False] * 9 + [True]),
    timestamp_s=st.floats(0.0, 3.0),
)


@settings(max_examples=300, deadline=None)
@given(databases(), mappings(), st.lists(frames, min_size=1, max_size=12))
def test_no_frame_ends_the_agent_with_a_mapping_that_loads(
    dbc: str, text: str, heard: list[CanFrame]
) -> None:
    try:
        mapping = load(text, dbc, name="x.dbc")
    except MappingError:
        event("refused")
        return
    event("loads")
    encoder = CommandEncoder(
        mapping, keys={"k": KEY}, open_freshness=lambda _: Disk(), first_counter=0
    )
    decoder = SignalDecoder(mapping, "x", started_at=0.0, taps=encoder.taps("x"), audit=True)
    for frame in heard:
        decoder.command_sent(encoder.unlock().counter, now=frame.timestamp_s)
        for told in decoder.receive_all([frame, frame]):
            if isinstance(told, SignalsChanged):
                assert all(_is_plain(change.value) for change in told.changes)
        decoder.handle_timer(frame.timestamp_s + 0.2)
    decoder.counters()
    encoder.wake()
    encoder.status(Lamp.OFF, CallState.IDLE)


def _is_plain(value: object) -> bool:
    """Whether the core can do sums with it and the protocol can say it."""
    return not isinstance(value, int | float) or abs(value) < 1 << 63
