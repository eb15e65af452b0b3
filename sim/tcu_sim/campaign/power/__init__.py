"""The crash campaign on a disk that loses power: what was not synced is gone."""
