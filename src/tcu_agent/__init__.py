"""The software of a car's telematics control unit: an asyncio daemon for a Linux board."""
