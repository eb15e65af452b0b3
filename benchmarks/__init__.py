"""Benchmarks: ratios of two ways in one run, because the speed of a machine is nobody's merit."""
