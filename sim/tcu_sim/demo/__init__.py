"""The demo: every part as a process of its own, one story, judged by what an observer saw."""
