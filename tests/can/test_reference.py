"""The reference vehicle's database, mapping and overlay fit each other, the core, and their own document."""

import re

import cantools
from cantools.database.can import Database

from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.core import vss
from tests.can.vehicle import REFERENCE, database, reference
from tests.foreign_data import ROOT

DBC = ROOT / "dbc" / "reference.dbc"
README = (ROOT / "dbc" / "README.md").read_text(encoding="utf-8")
OVERLAY = (ROOT / "dbc" / "tcu_overlay.vspec").read_text(encoding="utf-8")
IN_VSS_ITSELF = {
    vss.SPEED_KMH,
    vss.LATITUDE,
    vss.LONGITUDE,
    vss.HEADING,
    vss.ACCURACY_M,
    vss.FIX_TYPE,
    *vss.DOOR_LOCKS,
    *vss.DOORS_OPEN,
}


def test_loads_strict() -> None:
    assert isinstance(cantools.database.load_file(str(DBC), strict=True), Database)


def test_every_message_and_signal_is_described() -> None:
    nodes = {node.name for node in database().nodes}
    for message in database().messages:
        assert message.comment, message.name
        assert set(message.senders) <= nodes
        assert message.senders, message.name
        assert message.send_type in {"cyclic", "onEvent", "cyclicAndOnChange"}
        assert (message.cycle_time is None) == (message.send_type == "onEvent"), message.name
        for signal in message.signals:
            assert signal.comment, signal.name
            assert signal.receivers, signal.name
            assert set(signal.receivers) <= nodes - set(message.senders)


def test_signal_names_are_unique_but_for_the_protection() -> None:
    names = [signal.name for message in database().messages for signal in message.signals]
    twice = {name for name in names if names.count(name) > 1}
    assert twice == {"Crc", "AliveCounter"}


def core_paths() -> set[str]:
    texts = {value for value in vars(vss).values() if isinstance(value, str)}
    return {path for path in texts if path.startswith("Vehicle.")} | {
        *vss.DOOR_LOCKS,
        *vss.DOORS_OPEN,
    }


def test_every_path_that_the_core_knows_is_mapped_or_the_agents_own() -> None:
    """What the agent says of itself (`Vehicle.TCU`, in events only) comes from no bus; the button does."""
    from_the_bus = {path for path in core_paths() if not path.startswith("Vehicle.TCU.")}
    assert from_the_bus | {vss.ON_CALL_BUTTON} == set(reference().paths("body"))


def test_the_overlay_defines_what_vss_lacks() -> None:
    defined = set(re.findall(r"^(Vehicle\.[\w.]+):$", OVERLAY, re.MULTILINE))
    leaves = {
        path for path in defined if not any(other.startswith(path + ".") for other in defined)
    }
    assert leaves == core_paths() - IN_VSS_ITSELF
    branches = {path.rsplit(".", 1)[0] for path in leaves}
    in_vss = {"Vehicle", "Vehicle.Body.Trunk.Rear", "Vehicle.CurrentLocation"}
    assert branches - in_vss <= defined


def test_usage_modes_are_those_of_the_core() -> None:
    found = next(signal for signal in reference().signals if signal.path == vss.USAGE_MODE)
    assert tuple((found.values or {}).values()) == vss.USAGE_MODES


def test_the_document_lists_each_message() -> None:
    rows = re.findall(
        r"^\| (0x[0-9A-F]{3}) \| (\w+) \| (\w+) \| (\d) \| ([^|]*)\|", README, re.MULTILINE
    )
    told = {
        name: (int(number, 16), sender, int(length)) for number, name, sender, length, _ in rows
    }
    assert told == {
        one.name: (one.frame_id, one.senders[0], one.length) for one in database().messages
    }
    for _, name, _, _, sent in rows:
        cycle = database().get_message_by_name(name).cycle_time
        assert cycle is None or f"{cycle} ms" in sent, name


def test_the_reference_mapping_has_nothing_to_warn_of() -> None:
    mapping = load_mapping(REFERENCE)
    assert mapping.warnings() == ()
    assert set(mapping.commands) == {"unlock", "lock", "status"}
    assert mapping.transmitted("body") == {"CentralLockCommand", "TcuStatus", "NmTcu"}


def test_the_own_messages_are_the_ones_that_the_dbc_says_the_tcu_sends() -> None:
    sent = {message.name for message in database().messages if "TCU" in message.senders}
    assert reference().transmitted("body") == sent
