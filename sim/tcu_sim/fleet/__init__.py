"""Many cars against one broker and one centre: how much it carries, and how that grows with the number of cars.

Real are the agent's runtime and core with their signatures, the MQTT connections, mosquitto and the centre's four
services. Light are the cars: no process each (some hundreds share one), state in memory, a CAN bus in memory.
"""
