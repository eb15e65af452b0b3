"""VSS paths that the core itself knows. DBC names and CAN ids stand in the mapping file only.

Paths under ``Vehicle.TCU`` and the few marked *overlay* are not in COVESA VSS; dbc/tcu_overlay.vspec defines them.
A value is bool, int, float or str; None means unknown (stale, asleep, never seen, or failed its E2E check).
"""

from __future__ import annotations

ON_CALL_BUTTON = "Vehicle.TCU.OnCall.IsButtonPressed"  # overlay, bool
PLATE = "Vehicle.Body.Trunk.Rear.IsPlatePressed"  # overlay, bool: tailgate opening plate
SPEED_KMH = "Vehicle.Speed"  # float, km/h
USAGE_MODE = "Vehicle.UsageMode"  # overlay, str: one of USAGE_MODES
USAGE_MODES = ("abandoned", "inactive", "convenience", "active", "driving")
PARKED_MODES = ("abandoned", "inactive", "convenience")
"""abandoned = locked and left; inactive = someone in it or just left; convenience; active = ignition on; driving."""
KEY_MODES = ("convenience", "active")  # those that need a key in the car
ALARM = "Vehicle.Body.Alarm.State"  # overlay, str: "off" | "armed" | "triggered"
CENTRAL_LOCKING_RESPONSE = "Vehicle.Body.CentralLocking.Response"
"""Overlay, str: "idle" | "busy" | "done" | "refused" | "authentication-failed"; echoes the last command."""

DOOR_LOCKS = (
    "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked",
    "Vehicle.Cabin.Door.Row1.PassengerSide.IsLocked",
    "Vehicle.Cabin.Door.Row2.DriverSide.IsLocked",
    "Vehicle.Cabin.Door.Row2.PassengerSide.IsLocked",
    "Vehicle.Body.Trunk.Rear.IsLocked",
)
"""In the order of the protocol's `lock` numbers 0..4: front left, front right, rear left, rear right, tailgate."""
DOORS_OPEN = tuple(path.replace("IsLocked", "IsOpen") for path in DOOR_LOCKS)

LATITUDE = "Vehicle.CurrentLocation.Latitude"  # float, degrees
LONGITUDE = "Vehicle.CurrentLocation.Longitude"  # float, degrees
HEADING = "Vehicle.CurrentLocation.Heading"  # float, degrees 0..360
ACCURACY_M = "Vehicle.CurrentLocation.HorizontalAccuracy"  # float, metres
FIX_TYPE = "Vehicle.CurrentLocation.GNSSReceiver.FixType"  # str: "NONE" | "TWO_D" | "THREE_D" (and VSS's others)
POSITION_PATHS = (LATITUDE, LONGITUDE, HEADING, ACCURACY_M, FIX_TYPE)
"""Never reported in events: a position leaves the car only sealed."""

REPORTED = (*DOOR_LOCKS, *DOORS_OPEN, ALARM, USAGE_MODE)
"""Paths whose changes become signed events, and that a state report lists (where the mapping has them)."""

LOCKING_SOURCE = "Vehicle.Body.CentralLocking.LastSource"
"""Overlay, str: "none" | "key" | "inside-button" | "remote-command" | "automatic"; what moved the locks last."""
FIX_AGE_S = "Vehicle.CurrentLocation.FixAge"  # overlay, float, seconds

CALL_STATE = (
    "Vehicle.TCU.OnCall.CallState"  # overlay, str: a CallState in lower case; in events only
)
RELOCKED_BY = "Vehicle.TCU.Relock.By"  # overlay, str: "agent" | "vehicle"; in events only
BUS_NAME = "Vehicle.TCU.Bus.Name"  # overlay, str: logical name in the mapping; in events only
BUS_STATE = "Vehicle.TCU.Bus.State"  # overlay, str: what `allowed` says in dbc/tcu_overlay.vspec
OBSERVED_MESSAGE = "Vehicle.TCU.Security.Message"  # overlay, str: DBC message name; in events only
OBSERVED_COMMAND = "Vehicle.TCU.Security.Command"  # overlay, str: "unlock" | "lock"; events only
OBSERVED_COUNT = "Vehicle.TCU.Security.Count"  # overlay, int; in events only

ACCOUNT_VERSION = "Vehicle.TCU.Account.Version"  # overlay, int; in events only, as all below
OWNERSHIP_GENERATION = "Vehicle.TCU.Account.OwnershipGeneration"  # overlay, int
PIN_GENERATION = "Vehicle.TCU.Account.PinGeneration"  # overlay, int
SUBSCRIPTION_ACTIVE = "Vehicle.TCU.Account.IsSubscriptionActive"  # overlay, bool
TRUST_VERSION = "Vehicle.TCU.Trust.Version"  # overlay, int
TRUST_EPOCH = "Vehicle.TCU.Trust.Epoch"  # overlay, int
TOW_SEEN_AT = "Vehicle.TCU.Tow.SeenAt"  # overlay, int, s since 1970-01-01
