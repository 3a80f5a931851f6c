"""SSH for the operations ``ssh`` and ``copy``: whom to connect to and whether to trust it, commands, copies."""
