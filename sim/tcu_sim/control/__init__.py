"""Steering a running part of the simulator by lines of text, over a unix socket too."""
