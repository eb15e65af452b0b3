"""The bench: the whole agent in one process, on simulated time and in-memory buses and brokers."""
