"""The bench's own encoder, decoder and signer of the protocol: a second implementation.

Written from docs/protocol.cddl alone and never from the agent's code, so that a mistake shared by
both ends cannot hide. `tests/protocol/test_second_implementation.py` holds the two against each other.
"""
