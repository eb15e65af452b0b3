"""A broker of another maker, MQTT 5, on the loopback, in memory: mqtt5.py PORT. Needs `pip install moat-lib-mqtt`."""

import sys

import anyio
from moat.lib.mqtt.async_broker import AsyncMQTTBroker


async def main(port: int) -> None:
    """Serve until the process is ended."""
    broker = AsyncMQTTBroker(("127.0.0.1", port))
    async with anyio.create_task_group() as group:
        await group.start(broker.serve)
        print("ready", flush=True)


anyio.run(main, int(sys.argv[1]))
