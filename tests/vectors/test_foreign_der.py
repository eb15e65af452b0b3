"""Wycheproof's ECDSA signatures in DER, brought into the form that is used here: r || s, 32 bytes each.

The envelope takes no DER (tests/protocol/test_foreign_vectors.py). But libraries and tokens give DER, and signers
here bring it into r || s: what is good in one form has to be good in the other, and the reverse.
"""

from __future__ import annotations

import json
from collections import Counter

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.foreign_data import foreign_data
from tests.protocol.test_foreign_vectors import p256_key

NO_DER = "no DER: nothing to bring into another form"
TOO_LONG = "r or s does not fit into 32 bytes, or is negative: there is no such r || s"


def raw(der: bytes) -> bytes | str:
    """Return r || s, or why there is none."""
    try:
        numbers = decode_dss_signature(der)
        return b"".join(number.to_bytes(32, "big") for number in numbers)
    except ValueError:
        return NO_DER
    except OverflowError:
        return TOO_LONG


def test_what_is_good_in_der_is_good_here_and_nothing_else() -> None:
    file = foreign_data("wycheproof/ecdsa_secp256r1_sha256_test.json")
    judged: Counter[str] = Counter()
    for group in json.loads(file.read_text(encoding="utf-8"))["testGroups"]:
        key = p256_key(group)
        for case in group["tests"]:
            signature = raw(bytes.fromhex(case["sig"]))
            if isinstance(signature, str):
                assert case["result"] == "invalid", case
                judged[signature] += 1
                continue
            good = key.is_signature(signature, bytes.fromhex(case["msg"]))
            assert good is (case["result"] == "valid"), case
            judged[case["result"]] += 1
    assert sum(judged.values()) == 484
    assert judged == {"valid": 174, "invalid": 75, NO_DER: 219, TOO_LONG: 16}
