"""Everything needed to try, test and trust `tcu-agent`: virtual vehicle, centre, app and bench."""
