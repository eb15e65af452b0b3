"""Everything about a vehicle as one JSON object: for `state`, for traces, and for a person who wonders."""

from __future__ import annotations

from typing import Any

from tcu_sim.vehicle.vehicle import Vehicle


def describe(vehicle: Vehicle, *, now: float) -> dict[str, Any]:
    """Return the truth about the vehicle. Times are on the runner's clock; `t` is the present."""
    bcm, motion = vehicle.bcm, vehicle.motion
    return {
        "t": round(now, 3),
        "doors": {
            door.value: "open" if is_open else "closed" for door, is_open in vehicle.doors.items()
        },
        "locks": {lock.value: position.value.lower() for lock, position in vehicle.locks.items()},
        "bus": "asleep" if vehicle.is_asleep else "awake",
        "stays_awake_for": bcm.stays_awake_for(now),
        "usage": bcm.usage_mode.value.lower(),
        "alarm": bcm.alarm.state.value.lower(),
        "speed_kmh": round(motion.speed_kmh, 2),
        "latitude_deg": round(motion.position.latitude_deg, 7),
        "longitude_deg": round(motion.position.longitude_deg, 7),
        "fix": vehicle.satellites.fix.name.lower(),
        "lamp": vehicle.on_call.lamp.lower(),
        "call": vehicle.on_call.call_state.lower(),
        "response": {"state": bcm.locking.response.state, "counter": bcm.locking.response.counter},
        "behaviour": bcm.locking.behaviour.value,
        "last_freshness": bcm.gate.receiver.last_freshness,
        "locked_out": bcm.gate.receiver.is_locked_out(now),
        "lock_history": [
            {
                "lock": movement.lock.value,
                "position": movement.position.value.lower(),
                "source": movement.source.value,
                "began": round(movement.began_s, 3),
                "at": round(movement.at_s, 3),
            }
            for movement in vehicle.lock_history
        ],
        "command_history": [
            {
                "at": round(record.at_s, 3),
                "data": record.data.hex(),
                "verdict": record.verdict.value,
                "target": None if record.target is None else record.target.value.lower(),
                "counter": record.counter,
            }
            for record in vehicle.command_history
        ],
    }
