"""The one door: unverified bytes in, verdicts and authorisations out."""
