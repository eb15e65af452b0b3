"""CAN: frames to values and commands to frames; buses, protection, recordings."""
