"""A message as a map, to be spoilt, and what the codec says about it then."""

from typing import Any

import cbor2
import pytest

from tcu_agent.errors import MalformedError
from tcu_agent.protocol import codec
from tcu_agent.protocol.vocabulary import Reason


def fields_of(message: object) -> dict[Any, Any]:
    """Return a message's map, to be spoilt."""
    fields = cbor2.loads(codec.encode(message))
    assert isinstance(fields, dict)
    return fields


def complaint(kind: type[object], fields: object) -> str:
    with pytest.raises(MalformedError) as refusal:
        codec.decode(kind, cbor2.dumps(fields, canonical=True))
    assert refusal.value.reason is Reason.MALFORMED
    return str(refusal.value)
