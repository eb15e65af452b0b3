"""Durable state, and what stands in for it when it cannot be trusted."""
