"""The protocol: its bytes, its rules, and all that must be refused."""
