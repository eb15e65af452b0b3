"""A fix becomes a position message that the theft desk alone can read.

Source: docs/protocol.cddl, position and fix.
"""

from __future__ import annotations

from tcu_agent.core.effects import SealPosition
from tcu_agent.ports import Sealer
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Position


def seal_position(effect: SealPosition, *, sealer: Sealer, environment: str) -> Position:
    """Return the position; environment, vehicle, case and seq are bound into the sealing.

    Raises:
        KeyStoreError: the recipient's key cannot be used.
    """
    authorisation = effect.authorisation
    vehicle_id = authorisation.common.vehicle_id
    info = codec.position_info(
        environment=environment,
        vehicle_id=vehicle_id,
        case_id=authorisation.case_id,
        seq=effect.seq,
    )
    return Position(
        vehicle_id=vehicle_id,
        request_id=authorisation.common.request_id,
        case_id=authorisation.case_id,
        seq=effect.seq,
        stream_id=effect.stream_id,
        sealed=sealer.seal(codec.encode(effect.fix), recipient=effect.recipient, info=info),
    )
