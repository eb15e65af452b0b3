"""Files that a person would write, as the tests need them."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def _root(seed: int) -> str:
    public = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key()
    return f'[[root]]\nalg = -8\npublic_key = "{public.public_bytes_raw().hex()}"\n'


ROOTS = "threshold = 2\n" + _root(1) + _root(2)


def minimal(*, broker_port: int = 1883) -> str:
    """Return a tcu.toml with nothing in it that has a default."""
    return f"""\
schema = 1
[vehicle]
id = "car-1"
environment = "bench"
[can.bus.body]
interface = "virtual"
channel = "body"
[mqtt]
host = "127.0.0.1"
port = {broker_port}
[keys]
signing = "signing.pem"
[trust]
roots = "roots.toml"
[state]
directory = "state"
"""
