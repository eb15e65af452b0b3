"""What a person at the bench asks first: is the bus there, is it the right one, does the broker let us in?

Looks and listens, never sends a frame or publishes a message, and may run beside the agent.
"""
