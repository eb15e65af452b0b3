"""Tests of the core: each machine, and all of them behind `Core.handle`."""
