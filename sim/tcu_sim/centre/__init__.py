"""The assistance centre: four services that share nothing but the protocol.

`pin` is the PIN authority, `command` the command service, `account` the account service, `desk` the
theft desk. Each has its own directory, key and database and runs as a process of its own
(`process`), or all four in one process for benches on simulated time (`local`). What a service
decides stands in its package, free of sockets; `http` and `mqtt` are the shells around it, `client`
is how consoles and the app talk to it.
"""
