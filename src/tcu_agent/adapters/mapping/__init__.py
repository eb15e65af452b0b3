"""The mapping file: which DBC signal is which VSS path, which message which command."""
