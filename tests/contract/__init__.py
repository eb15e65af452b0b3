"""The same tests on the real adapters and on the bench's stand-ins: a fake that lies is found here."""
