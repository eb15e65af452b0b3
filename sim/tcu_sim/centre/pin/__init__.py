"""PIN authority: the only process that ever sees a PIN.

No MQTT connection, no operator's eye, no PIN in its store.
"""
