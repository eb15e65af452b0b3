"""CAN: database, mapping, decoding, commands, the port, recordings."""
