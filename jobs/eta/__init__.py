"""How long the remaining work of a job takes: a range, from what its operations took in the last jobs like it. Pure."""
