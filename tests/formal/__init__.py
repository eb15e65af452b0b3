"""The models beside the code that they stand for."""
