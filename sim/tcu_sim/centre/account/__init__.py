"""Account service: keepers, owners' app accounts, users and subscriptions.

It knows addresses and passwords, never a PIN.
"""
