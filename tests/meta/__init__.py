"""Tests of the repository itself: the house rules that no linter knows."""
