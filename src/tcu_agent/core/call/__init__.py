"""The ON CALL button and the assistance call."""
