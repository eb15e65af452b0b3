"""What holds for every test: in CI a skipped test is a failure."""

pytest_plugins = ["tests.skip_policy"]
