"""Runs one command in a Linux of its own, for what this machine's kernel lacks or must not be risked with.

`python -m scripts.guest --help` says how; docs/real-can.md says what for. The guest starts in seconds, sees this
machine's files (the checkout, its virtual environment, /usr), and can change none of them: whatever it writes
is gone with it, except in the one results folder.
"""
