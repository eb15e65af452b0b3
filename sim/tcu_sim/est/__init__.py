"""Where vehicles enrol: an EST server (RFC 7030), its authority, and the one-time passwords of new vehicles."""
