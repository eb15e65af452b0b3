"""The road between car and broker as it is: cut, slow, deaf, repeated, with wrong papers; and what got through."""
