"""The durable floor: what no product that keeps a job safe can do without, and nothing else.

A POST inserts one row and sends one Celery task; the task makes five steps with fifteen commits, each of which waits for the
disk. Servers, web server and settings of the workers are the product's. What it leaves out: it asks nobody who they are, has
none of the layers around a view, validates nothing, reads nothing, and its rows have no triggers and no index beside the key.
"""
