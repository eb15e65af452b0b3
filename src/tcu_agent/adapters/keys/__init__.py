"""Keys and secrets: in files, in PKCS#11 tokens; sealing."""
