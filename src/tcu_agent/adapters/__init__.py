"""One module per piece of the world: CAN bus, CAN signals, MQTT, durable state, keys, clock."""
